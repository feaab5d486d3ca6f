/** Our devices and what dies with them: see docs/adr/0005-what-is-ours.md. */
import { udpDevice } from '../backend/udp.ts';
import type { IpAddress } from '../base/ip.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { diff, type Step } from '../state/diff.ts';
import { deviceOf, type KernelObject, type LinkName, stateOf } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import type { Tun } from '../wire/link-kind.ts';
import type { Vxlan } from '../wire/vxlan-link.ts';

/** A VTEP, or the udp backend's TUN, which has no address of the underlay's. */
export type OwnLink = Link & { readonly kind: Vxlan | OwnTun };

type OwnTun = Tun & { readonly local?: undefined };

export interface OwnDevice {
  readonly link: OwnLink;
  /** The device and what somebody, not the kernel, put on it. */
  readonly objects: readonly KernelObject[];
}

/**
 * VXLAN devices named `flannel.` or `flannel-v6.` and their own VNI, and the TUN `flannel0` that outlives its daemon:
 * flanneld's does not. Only those of `vnis`, unless there are none.
 */
export function ownLinks(all: readonly Link[], vnis: readonly number[]): OwnLink[] {
  const own = all.flatMap(({ kind, ...link }): OwnLink[] => {
    if (kind.kind === 'vxlan') return isOwnName(link.name, kind.vni) ? [{ ...link, kind }] : [];
    return kind.kind === 'tun' && isOwnTun(link.name, kind) ? [{ ...link, kind }] : [];
  });
  return own.filter(link => isOfNetworks(link, vnis));
}

/** Is it of one of these VXLAN networks? Of none of them: of any. */
export function isOfNetworks({ kind }: OwnLink, vnis: readonly number[]): boolean {
  return vnis.length === 0 || (kind.kind === 'vxlan' && vnis.includes(kind.vni));
}

function isOwnTun(name: LinkName, { mode, persistent }: Tun): boolean {
  return name === udpDevice && mode === 'tun' && persistent;
}

export function isOwnName(name: LinkName, vni: number): boolean {
  return name === `flannel.${vni}` || name === `flannel-v6.${vni}`;
}

/** @throws NetlinkError */
export async function readDevices(socket: NetlinkSocket, found: readonly OwnLink[]): Promise<OwnDevice[]> {
  const { state } = await snapshot(
    socket,
    found.map(link => link.name),
  );
  const made = [...state.values()].filter(isMade);
  return found.map(link => ({ link, objects: made.filter(object => deviceOf(object) === link.name) }));
}

export function addressesOf({ objects }: OwnDevice): IpAddress[] {
  return objects.flatMap(object => (object.type === 'address' ? [object.value.local] : []));
}

/** One by one, although the device takes all with it: so the list of what goes is the list of what is done. */
export function deviceSteps({ objects }: OwnDevice): Step[] {
  return diff(new Map(), stateOf(objects));
}

/** False for what the kernel keeps on any device by itself: link-local addresses, learnt neighbours, groups. */
function isMade(object: KernelObject): boolean {
  switch (object.type) {
    case 'address':
      return object.value.scope !== 'link';
    case 'route':
      return object.value.protocol !== 'kernel';
    case 'neighbour':
      return object.value.state === 'permanent';
    case 'fdb':
      return object.value.dst !== undefined;
    case 'link':
    case 'nexthop':
      return true;
  }
}
