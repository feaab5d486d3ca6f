/** Which of the leases is this host's, by what the daemon would find when it starts. */
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { prefixBase } from '../base/prefix.ts';
import { fittingPart } from '../lease/allocation.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { describeIdentity, type Identity, publishedBy } from '../registry/own-lease.ts';
import { findOverlap, type SubnetEntry } from '../registry/subnet-entries.ts';

export interface OwnTraces {
  readonly config: NetworkConfig;
  readonly identity: Identity;
  /** Of the subnet file. */
  readonly previous: Subnet | undefined;
  /** Addresses of devices that an earlier run left. */
  readonly addresses: readonly IpAddress[];
}

export type FoundLease =
  /** It publishes our address: this is how the daemon finds it. */
  | { readonly by: 'address'; readonly key: string; readonly lease: Lease }
  /** It is of the subnet that is in use here, but publishes another address. */
  | { readonly by: 'subnet'; readonly key: string; readonly lease: Lease }
  /** There is none, and the subnet that was ours before is free. */
  | { readonly by: 'nothing'; readonly key: undefined; readonly subnet: Subnet };

/** @throws WeftError `lease-missing` */
export function findOwnLease(entries: readonly SubnetEntry[], traces: OwnTraces): FoundLease {
  const { config, identity, previous } = traces;
  const leased = entries.flatMap(({ key, lease }) => (lease === undefined ? [] : [{ key, lease }]));
  const published = leased.filter(({ lease }) => publishedBy(identity, lease.attrs));
  const usable = published.filter(({ lease }) => fits(config, lease.subnet));
  const mine = preferred(usable, previous);
  if (mine !== undefined) return { by: 'address', ...mine };
  const inUse = leased.find(({ lease }) => fits(config, lease.subnet) && isInUse(traces, lease.subnet));
  if (inUse !== undefined) return { by: 'subnet', ...inUse };
  if (previous !== undefined && fits(config, previous) && findOverlap(entries, previous, '') === undefined)
    return { by: 'nothing', key: undefined, subnet: previous };
  throw missing(published[0]?.lease.subnet, identity);
}

/** A reservation first, then the subnet in use until now, then the first in key order. */
function preferred<L extends { readonly lease: Lease }>(
  usable: readonly L[],
  previous: Subnet | undefined,
): L | undefined {
  const isPrevious = ({ lease: { subnet } }: L): boolean =>
    subnet.ipv4 === undefined ? subnet.ipv6 === previous?.ipv6 : subnet.ipv4 === previous?.ipv4;
  return usable.find(({ lease }) => lease.permanent) ?? usable.find(isPrevious) ?? usable[0];
}

function isInUse({ previous, addresses }: OwnTraces, { ipv4, ipv6 }: Subnet): boolean {
  return [
    { prefix: ipv4, before: previous?.ipv4 },
    { prefix: ipv6, before: previous?.ipv6 },
  ].some(
    ({ prefix, before }) =>
      prefix !== undefined && (prefix === before || addresses.includes(prefixBase(prefix))),
  );
}

function fits(config: NetworkConfig, subnet: Subnet): boolean {
  const { ipv4, ipv6 } = fittingPart(config, subnet);
  return ipv4 !== undefined || ipv6 !== undefined;
}

function missing(unfit: Subnet | undefined, identity: Identity): WeftError {
  const whom = describeIdentity(identity);
  const why =
    unfit === undefined
      ? `no lease publishes the address ${whom} of this host`
      : `the lease ${describeSubnet(unfit)} of this host (${whom}) does not fit the network config`;
  return new WeftError('lease-missing', why, {
    remedy:
      'start the daemon, `weft run`, which leases a subnet; or give the flags that it has, such as -public-ip',
  });
}
