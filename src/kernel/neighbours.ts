import {
  decodeNeighbour,
  isFdbMessage,
  type Neighbour,
  type NeighbourFilter,
  neighbourDump,
  neighbourRequest,
} from '../wire/neighbour.ts';
import { type ObjectVerbs, verbsOf } from './verbs.ts';

/**
 * `ip neigh add|replace|delete 10.2.14.0 lladdr 0a:1b:2c:3d:4e:5f dev flannel.1 nud permanent`,
 * `ip neigh show dev flannel.1`:
 *
 *     await neighbours.replace(socket, { dev: 7, dst: parseIp('10.2.14.0'), lladdr: parseMac('0a:1b:2c:3d:4e:5f') });
 */
export const neighbours: ObjectVerbs<Neighbour, NeighbourFilter> = verbsOf({
  request: neighbourRequest,
  dump: neighbourDump,
  decode: message => (isFdbMessage(message) ? undefined : decodeNeighbour(message)),
});
