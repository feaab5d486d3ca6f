import {
  decodeNextHop,
  type NextHop,
  type NextHopFilter,
  nextHopDump,
  nextHopRequest,
} from '../wire/next-hop.ts';
import { type ObjectVerbs, verbsOf } from './verbs.ts';

/**
 * `ip nexthop add|replace|delete id 77 via 10.2.14.0 dev flannel.1 onlink`, `ip nexthop show` (Linux 5.3):
 *
 *     await nextHops.replace(socket, { id: 77, gateway: parseIp('10.2.14.0'), dev: 7, onlink: true });
 *     await routes.replace(socket, { dst: parsePrefix('10.2.14.0/24'), nextHopId: 77 });
 */
export const nextHops: ObjectVerbs<NextHop, NextHopFilter> = verbsOf({
  request: nextHopRequest,
  dump: nextHopDump,
  decode: decodeNextHop,
});
