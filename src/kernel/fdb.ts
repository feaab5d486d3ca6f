import {
  decodeFdbEntry,
  type FdbEntry,
  type FdbFilter,
  fdbDump,
  fdbRequest,
  isFdbMessage,
} from '../wire/neighbour.ts';
import { type ObjectVerbs, verbsOf } from './verbs.ts';

/**
 * `bridge fdb add|replace|delete 0a:1b:2c:3d:4e:5f dev flannel.1 dst 192.0.2.2 self permanent`,
 * `bridge fdb show dev flannel.1`:
 *
 *     await fdb.replace(socket, { dev: 7, lladdr: parseMac('0a:1b:2c:3d:4e:5f'), dst: parseIp('192.0.2.2') });
 */
export const fdb: ObjectVerbs<FdbEntry, FdbFilter> = verbsOf({
  request: fdbRequest,
  dump: fdbDump,
  decode: message => (isFdbMessage(message) ? decodeFdbEntry(message) : undefined),
});
