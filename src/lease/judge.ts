import type { IpAddress } from '../base/ip.ts';
import { type Prefix, prefixContains, prefixCovers, prefixesOverlap } from '../base/prefix.ts';
import type { Lease, LeaseAttrs, Subnet } from './lease.ts';
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
  const publicIp = config.enableIpv4 ? lease.attrs.publicIp : undefined;
  const publicIpv6 = config.enableIpv6 ? lease.attrs.publicIpv6 : undefined;
  const seen = { ...lease, attrs: { ...lease.attrs, publicIp, publicIpv6 } };
  return (
    refuseOutside('Network', config.network, ipv4) ??
    refuseOutside('IPv6Network', config.ipv6Network, ipv6) ??
    refuseSpecial({ ipv4, ipv6 }) ??
    refuseOwn(own, { ipv4, ipv6 }) ??
    refuseOwnAddress(own, seen) ??
    refuseSpecialAddress(seen) ??
    refuseSwallowed(own, { ipv4, ipv6 }, seen) ??
    'ok'
  );
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
function refuseOwnAddress(own: Lease, lease: Lease): string | undefined {
  const { publicIp, publicIpv6 } = own.attrs;
  const address = [
    publicIp !== undefined && lease.attrs.publicIp === publicIp ? publicIp : undefined,
    publicIpv6 !== undefined && lease.attrs.publicIpv6 === publicIpv6 ? publicIpv6 : undefined,
  ].find(ours => ours !== undefined);
  return address === undefined ? undefined : `publishes our own address ${address}`;
}

function refuseSpecial({ ipv4, ipv6 }: Subnet): string | undefined {
  const use = [ipv4, ipv6].map(prefix => prefix && specialUseOfSubnet(prefix)).find(Boolean);
  return use === undefined ? undefined : `overlaps what no host can lease (${use})`;
}

function refuseSpecialAddress({ attrs }: Lease): string | undefined {
  const address = addressesOf(attrs).find(one => specialUseOfAddress(one) !== undefined);
  if (address === undefined) return undefined;
  return `publishes ${address}, which is no address of a host (${specialUseOfAddress(address)})`;
}

/** What leads to a tunnel's ends must not lead through a tunnel. */
function refuseSwallowed(own: Lease, subnet: Subnet, { attrs }: Lease): string | undefined {
  const within = (place: Subnet, address: IpAddress): boolean =>
    [place.ipv4, place.ipv6].some(prefix => prefix !== undefined && prefixContains(prefix, address));
  const ours = addressesOf(own.attrs).find(address => within(subnet, address));
  if (ours !== undefined) return `would take our own address ${ours} away`;
  const theirs = addressesOf(attrs).find(address => within(subnet, address) || within(own.subnet, address));
  return theirs === undefined ? undefined : `publishes ${theirs}, which is an address of a subnet`;
}

function addressesOf({ publicIp, publicIpv6 }: LeaseAttrs): IpAddress[] {
  return [publicIp, publicIpv6].filter(address => address !== undefined);
}

function overlap(one: Prefix | undefined, other: Prefix | undefined): boolean {
  return one !== undefined && other !== undefined && prefixesOverlap(one, other);
}
