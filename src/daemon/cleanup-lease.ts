/** Which leases in the registry are this host's, judged by what the host itself still shows. */
import { publicIpOf, subnetOf } from '../backend/family.ts';
import { tryVtepData } from '../backend/vtep.ts';
import { type Family, familyOf, type IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import { type Prefix, prefixBase } from '../base/prefix.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import type { Registry, Revision } from '../registry/registry.ts';
import { ipv6OnlyPrefix, readSubnetEntry, subnetsPrefix } from '../registry/subnet-entries.ts';
import { addressesOf, type OwnDevice } from './cleanup-devices.ts';

export interface LeaseToRemove {
  readonly key: string;
  /** It goes only if nobody writes it meanwhile. */
  readonly revision: Revision;
  /** Why it stays although it is ours; '' when it goes. */
  readonly kept: string;
}

/** What is left of a membership on the host. */
export interface HostTraces {
  readonly devices: readonly OwnDevice[];
  /** What subnet.env says. */
  readonly subnet: Subnet | undefined;
  /** The host's own addresses, for when the device is gone. */
  readonly addresses: readonly IpAddress[];
}

export interface LeaseSearch extends HostTraces {
  /** Only leases of these networks; empty: of any. */
  readonly vnis: readonly number[];
  /** Reservations that go too, as in `10.2.14.0/24`. */
  readonly reservations: readonly string[];
  readonly signal: AbortSignal;
}

/** @throws WeftError what the registry says */
export async function findOwnLeases(registry: Registry, search: LeaseSearch): Promise<LeaseToRemove[]> {
  const { reservations, vnis, signal } = search;
  const { entries } = await registry.list(subnetsPrefix, { signal });
  // Asked for only where there can be one: a role made for flannel may not read it.
  const others = usesIpv6(search) ? (await registry.list(ipv6OnlyPrefix, { signal })).entries : [];
  return [...entries, ...others].flatMap(entry => {
    const lease = readSubnetEntry(entry, () => {})?.lease;
    if (lease === undefined || !isOwnLease(lease, search, vnis)) return [];
    const subnet = describeSubnet(lease.subnet);
    const named = [lease.subnet.ipv4, lease.subnet.ipv6].some(prefix => reservations.includes(prefix ?? ''));
    const kept = lease.permanent && !named ? `it is a reservation; -reservation ${subnet} removes it` : '';
    return [{ key: entry.key, revision: entry.revision, kept }];
  });
}

/**
 * A lease is ours when two of three fit: its subnet, its public address, its VTEP's MAC. One alone proves nothing:
 * the subnet may have gone to another host since, the address to another machine, and anybody can write a MAC.
 */
export function isOwnLease(lease: Lease, traces: HostTraces, vnis: readonly number[]): boolean {
  return ([4, 6] as const).some(family => {
    const subnet = subnetOf(lease.subnet, family);
    const publicIp = publicIpOf(lease.attrs, family);
    const vtep = tryVtepData(lease.attrs, family);
    if (subnet === undefined || (vnis.length > 0 && !vnis.includes(vtep?.vni ?? -1))) return false;
    const fits = [
      isOwnSubnet(subnet, family, traces),
      publicIp !== undefined && ownAddresses(traces).includes(publicIp),
      vtep !== undefined && isOwnMac(vtep.mac, traces),
    ];
    return fits.filter(Boolean).length >= 2;
  });
}

function usesIpv6({ devices, subnet }: HostTraces): boolean {
  const addresses = devices.flatMap(device => [device.link.kind.local, ...addressesOf(device)]);
  return subnet?.ipv6 !== undefined || addresses.some(one => one !== undefined && familyOf(one) === 6);
}

function isOwnSubnet(subnet: Prefix, family: Family, { devices, subnet: ours }: HostTraces): boolean {
  const base = prefixBase(subnet);
  const there = devices.some(device => addressesOf(device).includes(base));
  return there || (ours !== undefined && subnetOf(ours, family) === subnet);
}

function ownAddresses({ devices, addresses }: HostTraces): readonly (IpAddress | undefined)[] {
  return [...devices.map(({ link }) => link.kind.local), ...addresses];
}

function isOwnMac(mac: Mac, { devices }: HostTraces): boolean {
  return devices.some(({ link }) => link.mac === mac);
}
