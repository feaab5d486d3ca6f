/** Whom to ask of a peer: whoever takes its containers' packets next. */
import { publicIpOf } from '../../backend/family.ts';
import type { Family, IpAddress } from '../../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily } from '../../base/prefix.ts';
import type { CarriedPeer } from '../../host/carried-peer.ts';
import type { Membership } from '../../host/membership.ts';
import type { Subnet } from '../../lease/lease.ts';
import type { KernelObject } from '../../state/kernel-object.ts';

/** One family of a peer's. */
export interface ProbeTarget {
  /** What the peer leases, of both families. */
  readonly leased: Subnet;
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
  { host }: Pick<Membership, 'host'>,
  { lease, routed, objects, backend }: CarriedPeer,
): ProbeTarget[] {
  const wantedBytes = backend.containerMtuBytes(host.external);
  return routed.map(subnet => {
    const family = prefixFamily(subnet);
    const publicIp = publicIpOf(lease.attrs, family);
    const address = backend.carrier?.type === 'tunnel' ? prefixBase(subnet) : gatewayOf(objects, subnet);
    return { leased: lease.subnet, family, subnet, address, publicIp, wantedBytes };
  });
}

/**
 * The gateway of the route: the peer's tunnel device, or the peer itself where no tunnel is. In user space the tunnel's
 * device has the first address too, but no route leads there by it.
 */
function gatewayOf(objects: readonly KernelObject[], subnet: Prefix): IpAddress | undefined {
  for (const { type, value } of objects) if (type === 'route' && value.dst === subnet) return value.gateway;
  return undefined;
}
