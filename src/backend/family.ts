/** One family's view of a host, so that planners have no IPv4 and IPv6 twins. */
import type { Family, IpAddress } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';
import type { Lease, LeaseAttrs, Subnet } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { type ExternalInterface, type Host, type PeerPart, type PeerPlan, refused } from './backend.ts';

export function familiesOf(config: NetworkConfig): Family[] {
  return [...(config.enableIpv4 ? ([4] as const) : []), ...(config.enableIpv6 ? ([6] as const) : [])];
}

/** The families of which this host has a subnet: one may be switched on in the network and missing here. */
export function leasedFamilies({ config, lease }: Pick<Host, 'config' | 'lease'>): Family[] {
  return familiesOf(config).filter(family => isLeased({ config, lease }, family));
}

function isLeased({ config, lease }: Pick<Host, 'config' | 'lease'>, family: Family): boolean {
  return (
    (family === 4 ? config.enableIpv4 : config.enableIpv6) && subnetOf(lease.subnet, family) !== undefined
  );
}

export function networksOf(config: NetworkConfig): Prefix[] {
  return familiesOf(config).flatMap(family => networkOf(config, family) ?? []);
}

export function networkOf(config: NetworkConfig, family: Family): Prefix | undefined {
  return family === 4 ? config.network : config.ipv6Network;
}

export function subnetOf(subnet: Subnet, family: Family): Prefix | undefined {
  return family === 4 ? subnet.ipv4 : subnet.ipv6;
}

export function publicIpOf(attrs: LeaseAttrs, family: Family): IpAddress | undefined {
  return family === 4 ? attrs.publicIp : attrs.publicIpv6;
}

export function addressOf(external: ExternalInterface, family: Family): IpAddress | undefined {
  return family === 4 ? external.ipv4 : external.ipv6;
}

/** One family of a peer's. */
export interface PeerFamily {
  readonly family: Family;
  readonly subnet: Prefix;
}

/** A peer's parts: of each family in which both of us have a subnet, what `plan` makes of it. */
export function planFamilies(host: Host, peer: Lease, plan: (part: PeerFamily) => PeerPart): PeerPlan {
  const parts: PeerPart[] = [];
  for (const family of [4, 6] as const) {
    const subnet = isLeased(host, family) ? subnetOf(peer.subnet, family) : undefined;
    if (subnet !== undefined) parts.push(plan({ family, subnet }));
  }
  return parts.length === 0 ? refused('has no subnet of a family that is switched on here') : parts;
}
