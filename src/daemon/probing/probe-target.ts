/** Whom to ask of a peer: whoever takes its containers' packets next. */
import { publicIpOf } from '../../backend/family.ts';
import type { Family, IpAddress } from '../../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily } from '../../base/prefix.ts';
import type { CarriedPeer } from '../../host/carried-peer.ts';
import { backendsOf, type Membership } from '../../host/membership.ts';
import { formatSubnetKey } from '../../lease/subnet-key.ts';

/** One family of a peer's. */
export interface ProbeTarget {
  /** As in the registry: `10.2.14.0-24`. */
  readonly peer: string;
  readonly family: Family;
  /** What is routed to it. */
  readonly subnet: Prefix;
  /** Undefined when there is nobody to ask. */
  readonly address: IpAddress | undefined;
  /** Where it is on the underlay. */
  readonly publicIp: IpAddress | undefined;
  /** The containers' MTU: what should pass. */
  readonly wantedBytes: number;
}

export function targetsOf(
  membership: Pick<Membership, 'backend' | 'host' | 'former'>,
  peer: CarriedPeer,
): ProbeTarget[] {
  const { lease, routed, backend } = peer;
  const gateways = gatewaysOf(membership, peer);
  const wantedBytes = backend.containerMtuBytes(membership.host.external);
  return routed.map(subnet => {
    const family = prefixFamily(subnet);
    const publicIp = publicIpOf(lease.attrs, family);
    const address = backend.carrier?.type === 'tunnel' ? prefixBase(subnet) : gateways.get(subnet);
    return { peer: formatSubnetKey(lease.subnet), family, subnet, address, publicIp, wantedBytes };
  });
}

/**
 * Of each route the gateway: the peer's tunnel device, or the peer itself where no tunnel is. In user space the tunnel's
 * device has the first address too, but no route leads there by it.
 */
function gatewaysOf(
  membership: Pick<Membership, 'backend' | 'host' | 'former'>,
  { lease, backend }: CarriedPeer,
): ReadonlyMap<Prefix, IpAddress | undefined> {
  const host = backendsOf(membership).find(one => one.backend === backend)?.host ?? membership.host;
  const objects = backend
    .planPeer(host, lease)
    .flatMap(part => (part.type === 'reached' ? part.objects : []));
  return new Map(
    objects.flatMap(object =>
      object.type === 'route' ? [[object.value.dst, object.value.gateway] as const] : [],
    ),
  );
}
