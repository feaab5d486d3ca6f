import { WeftError } from '../base/errors.ts';
import type { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { makePersistentTun } from '../sys/tun.ts';
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
import type { Tun } from '../wire/link-kind.ts';
import type { NetlinkMessage, NetlinkRequest } from '../wire/netlink.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import { list } from './verbs.ts';

export interface LinkVerbs {
  /**
   * `ip link add NAME ... type KIND ...`. An alias is set by a second request, and not at all on a link that goes
   * into another namespace. A TUN or TAP device is made through /dev/net/tun in the socket's namespace, persistent, and
   * set up by a second request; one that is there already, attached to or not, is only set up.
   * @throws NetlinkError, WeftError `tun-unavailable`, `tun-kind`
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
    /** The kernel ignores `alias` here: it wants a second request. For all kinds but TUN, which no request makes. */
    add(spec: LinkSpec): NetlinkRequest;
    set(link: IfIndex | Pick<Link, 'index' | 'name'>, spec: LinkSpec): NetlinkRequest;
    delete(link: Pick<Link, 'index' | 'name'>): NetlinkRequest;
  };
}

/**
 * `ip link`, with VXLAN, veth, bridge and TUN as kinds:
 *
 *     await links.add(socket, {
 *       name: 'flannel.1', mtuBytes: 1450, up: true,
 *       kind: { kind: 'vxlan', vni: 1, dev: 2, local: parseIp('192.0.2.1'), port: 8472, learning: false },
 *     });
 */
export const links: LinkVerbs = {
  async add(socket, spec) {
    if (spec.kind?.kind === 'tun') {
      await addTun(socket, spec, spec.kind);
      return;
    }
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

/** Not to be made by rtnetlink (drivers/net/tun.c tun_validate: "tun/tap creation via rtnetlink is not supported"). */
async function addTun(socket: NetlinkSocket, spec: LinkSpec, { mode }: Tun): Promise<void> {
  const { name } = spec;
  makePersistentTun({ name, mode }, socket.netns);
  const link = await links.get(socket, name);
  if (link === undefined) throw new WeftError('device-missing', `the TUN device ${name} vanished at once`);
  const { kind: _, ...settings } = spec;
  await socket.request(linkSet(link, settings));
}
