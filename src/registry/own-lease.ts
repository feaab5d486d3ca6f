import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, LeaseAttrs, Subnet } from '../lease/lease.ts';
import { formatLeaseAttrs } from '../lease/lease-attrs.ts';
import type { RegistryEntry, Revision } from './registry.ts';
import {
  findOverlap,
  keyOfSubnet,
  listSubnets,
  type SubnetEntry,
  type SubnetTools,
} from './subnet-entries.ts';

/** How long a lease lives without renewal: flannel's 24 hours. */
export const leaseTtlSeconds = 86_400;

/** What a host is known by: its public address, as in flannel, and nothing else. Undefined for a family it cannot use. */
export interface Identity {
  readonly publicIp: IpAddress | undefined;
  /** Counts only where one side has no IPv4 address. */
  readonly publicIpv6: IpAddress | undefined;
}

/** The lease this host holds. */
export interface OwnLease {
  readonly lease: Lease;
  /** Of the registry's entry: `subnets/10.2.14.0-24`. */
  readonly key: string;
  readonly revision: Revision;
  /** When it expires unless renewed, by both clocks; undefined when it is permanent. */
  readonly expiresAtMonotonicMs: number | undefined;
  readonly expiresAtWallMs: number | undefined;
  /** Our own from before, the one of the subnet file, or chosen anew. */
  readonly how: 'kept' | 'previous' | 'new';
}

/** True when a host of this identity published the attributes. */
export function publishedBy(identity: Identity, attrs: LeaseAttrs): boolean {
  if (identity.publicIp !== undefined && attrs.publicIp !== undefined) {
    return attrs.publicIp === identity.publicIp;
  }
  return identity.publicIpv6 !== undefined && attrs.publicIpv6 === identity.publicIpv6;
}

export function describeIdentity({ publicIp, publicIpv6 }: Identity): string {
  return publicIp ?? publicIpv6 ?? 'a host without address';
}

/** Publishes a lease when `expect` holds, perhaps in the place of the key `from`; else tells what is there instead. */
export async function putLease(
  { registry, clock }: SubnetTools,
  lease: Lease,
  options: { readonly how: OwnLease['how']; readonly signal: AbortSignal | undefined } & (
    | { readonly expect: 'absent' | Revision; readonly from?: undefined }
    | { readonly expect: Revision; readonly from: string }
  ),
): Promise<
  { readonly own: OwnLease } | { readonly own: undefined; readonly current: RegistryEntry | undefined }
> {
  const key = keyOfSubnet(lease.subnet);
  // Before the request: a lease never looks longer than it is.
  const [monotonicMs, wallMs] = [clock.monotonicMs(), clock.wallMs()];
  const value = formatLeaseAttrs(lease.attrs);
  const ttlSeconds = lease.permanent ? undefined : leaseTtlSeconds;
  const { signal, from, expect } = options;
  const result =
    from === undefined
      ? await registry.put(key, value, { expect, ttlSeconds, signal })
      : await registry.move(from, key, value, { expect, ttlSeconds, signal });
  if (!result.written) return { own: undefined, current: result.current };
  const { revision, ttlSeconds: granted } = result;
  const after = (nowMs: number): number | undefined =>
    granted === undefined ? undefined : nowMs + granted * 1000;
  const expiry = { expiresAtMonotonicMs: after(monotonicMs), expiresAtWallMs: after(wallMs) };
  return { own: { lease, key, revision, ...expiry, how: options.how } };
}

/**
 * Gives a lease just created back when another that overlaps it was created before. Keys are exclusive, subnets
 * are not: 10.2.1.0-24&fd00:1::-64 and 10.2.1.0-24&fd00:2::-64 are two keys, and hosts with different configurations
 * choose different lengths. Of two such the later yields: each lists after its own write, so the later sees the
 * earlier.
 * @param seen the revision at which no other had it
 * @returns the earlier one, or undefined when the lease stands
 */
export async function yieldToEarlier(
  tools: SubnetTools,
  own: OwnLease,
  seen: Revision,
  signal: AbortSignal | undefined,
): Promise<SubnetEntry | undefined> {
  const earlier = await findEarlier(tools, own, own.lease.subnet, { seen, signal });
  if (earlier !== undefined) await tools.registry.delete(own.key, { expect: own.revision, signal });
  return earlier;
}

/** A lease written before ours that shares an address with `subnet`, which was free at the revision `seen`. */
export async function findEarlier(
  tools: SubnetTools,
  own: OwnLease,
  subnet: Subnet,
  { seen, signal }: { readonly seen: Revision; readonly signal: AbortSignal | undefined },
): Promise<SubnetEntry | undefined> {
  // A store of an earlier past may have taken the place of the one that was seen: there all is news.
  const since = own.revision > seen ? seen : 0n;
  const { entries } = await listSubnets(tools, { ipv6: subnet.ipv6 !== undefined, signal, since });
  const earlier = entries.filter(entry => entry.revision < own.revision);
  return findOverlap(earlier, subnet, own.key);
}

export function leaseLost(tools: SubnetTools, own: Lease, holder: SubnetEntry): WeftError {
  const us = describeIdentity(own.attrs);
  const them = holder.lease === undefined ? `the entry ${holder.key}` : describeIdentity(holder.lease.attrs);
  const where = sameSubnet(own.subnet, holder.subnet) ? 'it' : describeSubnet(holder.subnet);
  return new WeftError(
    'lease-lost',
    `the subnet ${describeSubnet(own.subnet)}, which ${us} leased, is no longer ours: ${them} holds ${where} in ${tools.registry.name}`,
    {
      remedy: `free it by removing the key ${holder.key} when ${them} has no right to it; or lease another subnet by restarting this host without its subnet file`,
    },
  );
}

function sameSubnet(one: Subnet, other: Subnet): boolean {
  return one.ipv4 === other.ipv4 && one.ipv6 === other.ipv6;
}
