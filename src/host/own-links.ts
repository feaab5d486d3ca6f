/** Our devices, by what they are: see docs/adr/0005-what-is-ours.md. */
import { udpDevice } from '../backend/udp.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { Link } from '../wire/link.ts';
import type { Tun } from '../wire/link-kind.ts';
import type { Vxlan } from '../wire/vxlan-link.ts';

/** A VTEP, or the udp backend's TUN, which has no address of the underlay's. */
export type OwnLink = Link & { readonly kind: Vxlan | OwnTun };

type OwnTun = Tun & { readonly local?: undefined };

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
