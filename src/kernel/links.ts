import type { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import {
  decodeLink,
  isBridgePortMessage,
  type Link,
  type LinkFilter,
  type LinkSpec,
  linkAdd,
  linkDelete,
  linkDump,
  linkGet,
  linkSet,
} from '../wire/link.ts';
import type { NetlinkMessage, NetlinkRequest } from '../wire/netlink.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import { list } from './verbs.ts';

export interface LinkVerbs {
  /**
   * `ip link add NAME ... type KIND ...`. An alias is set by a second request, and not at all on a link that goes
   * into another namespace.
   * @throws NetlinkError
   */
  add(socket: NetlinkSocket, spec: LinkSpec): Promise<void>;
  /**
   * `ip link set NAME ...`: changes what `spec` names. Given the link as it is, another name in `spec` renames it; given
   * its index alone, the name is only for messages.
   * @throws NetlinkError
   */
  set(socket: NetlinkSocket, link: IfIndex | Pick<Link, 'index' | 'name'>, spec: LinkSpec): Promise<void>;
  /** `ip link delete NAME`. @throws NetlinkError */
  delete(socket: NetlinkSocket, link: Pick<Link, 'index' | 'name'>): Promise<void>;
  /** `ip link show NAME`; undefined when there is none. @throws NetlinkError */
  get(socket: NetlinkSocket, name: string): Promise<Link | undefined>;
  /** `ip link show [master M] [type KIND]`. @throws NetlinkError */
  list(socket: NetlinkSocket, filter?: LinkFilter): Promise<Link[]>;
  /** RTM_NEWLINK and RTM_DELLINK from a monitor; undefined for notices of bridge ports. */
  decode(message: NetlinkMessage): Link | undefined;
  readonly requests: {
    /** The kernel ignores `alias` here: it wants a second request. */
    add(spec: LinkSpec): NetlinkRequest;
    set(link: IfIndex | Pick<Link, 'index' | 'name'>, spec: LinkSpec): NetlinkRequest;
    delete(link: Pick<Link, 'index' | 'name'>): NetlinkRequest;
  };
}

/**
 * `ip link`, with VXLAN, veth and bridge as kinds:
 *
 *     await links.add(socket, {
 *       name: 'flannel.1', mtuBytes: 1450, up: true,
 *       kind: { kind: 'vxlan', vni: 1, dev: 2, local: parseIp('192.0.2.1'), port: 8472, learning: false },
 *     });
 */
export const links: LinkVerbs = {
  async add(socket, spec) {
    await socket.request(linkAdd(spec));
    const { name, alias } = spec;
    if (alias === undefined) return;
    // The kernel takes no alias with a new link (net/core/rtnetlink.c rtnl_create_link).
    const link = await links.get(socket, name);
    if (link !== undefined) await socket.request(linkSet(link, { name, alias }));
  },
  set: async (socket, link, spec) => void (await socket.request(linkSet(link, spec))),
  delete: async (socket, link) => void (await socket.request(linkDelete(link))),
  async get(socket, name) {
    const [outcome] = await socket.requestAll([linkGet({ name })]);
    if (outcome?.ok === true) return outcome.reply && decodeLink(outcome.reply);
    if ((outcome?.error as NetlinkError | undefined)?.errnoName === 'ENODEV') return undefined;
    throw outcome?.error ?? new TypeError(`no answer for link ${name}`);
  },
  list: (socket, filter) => list(socket, linkDump(filter), links.decode),
  decode: message => (isBridgePortMessage(message) ? undefined : decodeLink(message)),
  requests: { add: linkAdd, set: linkSet, delete: linkDelete },
};
