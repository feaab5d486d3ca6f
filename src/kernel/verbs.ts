/**
 * The verbs that all kernel objects share. A codec (from `wire`) knows one object's bytes; the verbs put it on a
 * socket. `request` gives the bytes without sending, for batches: `socket.requestAll(values.map(...))`.
 */
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { NetlinkMessage, NetlinkRequest } from '../wire/netlink.ts';
import type { Verb } from '../wire/rtnetlink.ts';

export interface Codec<T, Filter> {
  /** The request that `verb` means for `value`. */
  request(verb: Verb, value: T): NetlinkRequest;
  /** The request that reads the table. */
  dump(filter?: Filter): NetlinkRequest;
  /** One message of a dump or monitor; undefined for what is not this kind of object. */
  decode(message: NetlinkMessage): T | undefined;
}

export interface ObjectVerbs<T, Filter> extends Codec<T, Filter> {
  /** Creates; refuses what exists (EEXIST). @throws NetlinkError */
  add(socket: NetlinkSocket, value: T): Promise<void>;
  /** Creates, or changes what has the same identity, in one step and without a gap. @throws NetlinkError */
  replace(socket: NetlinkSocket, value: T): Promise<void>;
  /** Removes; refuses what is not there (ENOENT, ESRCH, EADDRNOTAVAIL). @throws NetlinkError */
  delete(socket: NetlinkSocket, value: T): Promise<void>;
  /** The whole table, filtered by the kernel where it can. @throws NetlinkError */
  list(socket: NetlinkSocket, filter?: Filter): Promise<T[]>;
}

export function verbsOf<T, Filter>(codec: Codec<T, Filter>): ObjectVerbs<T, Filter> {
  const send = async (socket: NetlinkSocket, verb: Verb, value: T): Promise<void> => {
    await socket.request(codec.request(verb, value));
  };
  return {
    ...codec,
    add: (socket, value) => send(socket, 'add', value),
    replace: (socket, value) => send(socket, 'replace', value),
    delete: (socket, value) => send(socket, 'delete', value),
    list: (socket, filter) => list(socket, codec.dump(filter), codec.decode),
  };
}

/** Reads a table into an array; starts over when the kernel says that the dump was interrupted. */
export async function list<T>(
  socket: NetlinkSocket,
  request: NetlinkRequest,
  decode: (message: NetlinkMessage) => T | undefined,
): Promise<T[]> {
  const values: T[] = [];
  const take = (message: NetlinkMessage): void => {
    const value = decode(message);
    if (value !== undefined) values.push(value);
  };
  await socket.dump(request, take, () => {
    values.length = 0;
  });
  return values;
}
