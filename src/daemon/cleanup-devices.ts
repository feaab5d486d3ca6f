/** Our devices and what dies with them: docs/adr/0005-what-is-ours.md. */
import { snapshot } from '../kernel/snapshot.ts';
import { diff, type Step } from '../state/diff.ts';
import { deviceOf, type KernelObject, type LinkName, stateOf } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import type { Vxlan } from '../wire/vxlan-link.ts';

export interface DeviceName {
  readonly name: LinkName;
  readonly vni: number;
}

export interface OwnDevice extends DeviceName {
  readonly link: Link & { readonly kind: Vxlan };
  /** The device and everything that somebody put on it. */
  readonly objects: readonly KernelObject[];
}

/** VXLAN devices whose name is `flannel.` or `flannel-v6.` and their own VNI; of these VNIs, or of any when there are none. */
export function ownDevices(all: readonly Link[], vnis: readonly number[]): OwnDevice['link'] extends infer L
  ? Array<DeviceName & { readonly link: L }>
  : never {
  return all.flatMap(link => {
    if (link.kind.kind !== 'vxlan') return [];
    const { kind, name } = link;
    const wanted = vnis.length === 0 || vnis.includes(kind.vni);
    return wanted && isOwnDevice(name, kind.vni) ? [{ name, vni: kind.vni, link: { ...link, kind } }] : [];
  });
}

export function isOwnDevice(name: LinkName, vni: number): boolean {
  return name === `flannel.${vni}` || name === `flannel-v6.${vni}`;
}
