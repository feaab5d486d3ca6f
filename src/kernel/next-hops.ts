import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import {
  decodeNextHop,
  type NextHop,
  type NextHopFilter,
  nextHopDump,
  nextHopGet,
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

/** Does this kernel have them? Asks for one that cannot be. @throws NetlinkError for any other trouble */
export async function hasNextHops(socket: NetlinkSocket): Promise<boolean> {
  try {
    await socket.request(nextHopGet(0xffff_ffff));
    return true;
  } catch (error) {
    if (!(error instanceof NetlinkError)) throw error;
    if (error.errnoName === 'ENOENT') return true;
    if (['EOPNOTSUPP', 'EINVAL'].includes(error.errnoName)) return false;
    throw error;
  }
}
