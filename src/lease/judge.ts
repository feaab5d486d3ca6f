import type { IpAddress } from '../base/ip.ts';
import { type Prefix, prefixContains, prefixCovers, prefixesOverlap } from '../base/prefix.ts';
import type { Lease, Subnet } from './lease.ts';
import type { NetworkConfig } from './network-config.ts';
import { specialUseOfAddress, specialUseOfSubnet } from './special-prefixes.ts';

/**
 * Whether a peer's lease may be followed: `ok`, or why not, as the rest of a sentence that begins with the
 * lease. Nothing keeps others from writing what they like into the registry, and a route to a subnet outside the
 * network, or to our own, takes traffic away that is not theirs. A family that is off here is not looked at.
 */
export function judgeLease(config: NetworkConfig, own: Lease, lease: Lease): 'ok' | string {
  const ipv4 = config.enableIpv4 ? lease.subnet.ipv4 : undefined;
  const ipv6 = config.enableIpv6 ? lease.subnet.ipv6 : undefined;
  if (ipv4 === undefined && ipv6 === undefined) return 'has no subnet of a family that is switched on here';
  const subnet: Subnet = { ipv4, ipv6 };
  const theirs: Addresses = {
    ipv4: config.enableIpv4 ? lease.attrs.publicIp : undefined,
    ipv6: config.enableIpv6 ? lease.attrs.publicIpv6 : undefined,
  };
  const ours: Addresses = { ipv4: own.attrs.publicIp, ipv6: own.attrs.publicIpv6 };
  return (
    refuseOutside('Network', config.network, ipv4) ??
    refuseOutside('IPv6Network', config.ipv6Network, ipv6) ??
    refuseSpecial(subnet) ??
    refuseOwn(own, subnet) ??
    refuseOwnAddress(ours, theirs) ??
    refuseSpecialAddress(theirs) ??
    refuseSwallowed(own.subnet, ours, subnet, theirs) ??
    'ok'
  );
}

/** Where a host is on the underlay. */
interface Addresses {
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
}

/** The first of them that is so. */
function find({ ipv4, ipv6 }: Addresses, isSo: (address: IpAddress) => boolean): IpAddress | undefined {
  if (ipv4 !== undefined && isSo(ipv4)) return ipv4;
  return ipv6 !== undefined && isSo(ipv6) ? ipv6 : undefined;
}

/** True when one address belongs to both. */
export function subnetsOverlap(one: Subnet, other: Subnet): boolean {
  return overlap(one.ipv4, other.ipv4) || overlap(one.ipv6, other.ipv6);
}

/** As people write it: `10.2.14.0/24`, `10.2.14.0/24 and fd00:2:14::/64`. */
export function describeSubnet(subnet: Subnet): string {
  return [subnet.ipv4, subnet.ipv6].filter(prefix => prefix !== undefined).join(' and ');
}

function refuseOutside(
  name: string,
  network: Prefix | undefined,
  prefix: Prefix | undefined,
): string | undefined {
  if (prefix === undefined || network === undefined || prefixCovers(network, prefix)) return undefined;
  return `lies outside the ${name} ${network}`;
}

function refuseOwn(own: Lease, subnet: Subnet): string | undefined {
  return subnetsOverlap(own.subnet, subnet) ? `overlaps our own ${describeSubnet(own.subnet)}` : undefined;
}

/** A tunnel to ourselves would send its packets round and round. */
function refuseOwnAddress(ours: Addresses, theirs: Addresses): string | undefined {
  const address = find(ours, one => one === theirs.ipv4 || one === theirs.ipv6);
  return address === undefined ? undefined : `publishes our own address ${address}`;
}

function refuseSpecial({ ipv4, ipv6 }: Subnet): string | undefined {
  const use = (ipv4 && specialUseOfSubnet(ipv4)) ?? (ipv6 && specialUseOfSubnet(ipv6));
  return use === undefined ? undefined : `overlaps what no host can lease (${use})`;
}

function refuseSpecialAddress(theirs: Addresses): string | undefined {
  const address = find(theirs, one => specialUseOfAddress(one) !== undefined);
  if (address === undefined) return undefined;
  return `publishes ${address}, which is no address of a host (${specialUseOfAddress(address)})`;
}

/** What leads to a tunnel's ends must not lead through a tunnel. */
function refuseSwallowed(
  own: Subnet,
  ours: Addresses,
  subnet: Subnet,
  theirs: Addresses,
): string | undefined {
  const swallowed = find(ours, address => contains(subnet, address));
  if (swallowed !== undefined) return `would take our own address ${swallowed} away`;
  const inside = find(theirs, address => contains(subnet, address) || contains(own, address));
  return inside === undefined ? undefined : `publishes ${inside}, which is an address of a subnet`;
}

function contains({ ipv4, ipv6 }: Subnet, address: IpAddress): boolean {
  return (
    (ipv4 !== undefined && prefixContains(ipv4, address)) ||
    (ipv6 !== undefined && prefixContains(ipv6, address))
  );
}

function overlap(one: Prefix | undefined, other: Prefix | undefined): boolean {
  return one !== undefined && other !== undefined && prefixesOverlap(one, other);
}
