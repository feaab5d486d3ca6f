import { WeftError } from '../base/errors.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { LeaseAttrs } from '../lease/lease.ts';
import { leaseLost, type OwnLease, publishedBy, putLease, yieldToEarlier } from './own-lease.ts';
import type { RegistryEntry, Revision } from './registry.ts';
import { findOverlap, listSubnets, readSubnetEntry, type SubnetTools } from './subnet-entries.ts';

/** Somebody changes the key between each look and each write: once is chance, this often is not. */
const maxAttempts = 10;

/**
 * Writes our lease again, with `attrs`, whatever has become of its key: unchanged, it is renewed; gone, it is
 * created; overwritten by ourselves or by a malformed value, it is put right; held by another host, it is lost.
 * @throws WeftError `lease-lost`, naming both
 */
export async function reclaimLease(
  tools: SubnetTools,
  own: OwnLease,
  attrs: LeaseAttrs,
  signal: AbortSignal | undefined,
): Promise<OwnLease> {
  let { permanent } = own.lease;
  let expect: 'absent' | Revision = own.revision;
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const seen = expect === 'absent' ? await refuseTaken(tools, own, signal) : undefined;
    const lease = { ...own.lease, attrs, permanent };
    const result = await putLease(tools, lease, { how: own.how, expect, signal });
    if (result.own !== undefined) {
      if (seen !== undefined) await refuseEarlier(tools, result.own, seen, signal);
      return result.own;
    }
    permanent = permanenceAfter(tools, own, attrs, result.current);
    expect = result.current?.revision ?? 'absent';
  }
  throw new WeftError(
    'lease-contended',
    `the key ${own.key} of our subnet ${describeSubnet(own.lease.subnet)} was changed by others ${maxAttempts} times while we wrote it`,
    { remedy: 'make sure that no other host publishes our public address' },
  );
}

/**
 * Whether the lease is to be permanent, after somebody changed its key: an operator makes it so by writing our
 * lease without a TTL, and ends that by removing it.
 * @throws WeftError `lease-lost` when the key is another host's
 */
function permanenceAfter(
  tools: SubnetTools,
  own: OwnLease,
  attrs: LeaseAttrs,
  current: RegistryEntry | undefined,
): boolean {
  if (current === undefined) return false;
  const found = readSubnetEntry(current, tools.warnOnce);
  if (found?.lease === undefined) return own.lease.permanent;
  // Under our new address when an earlier try has come through whose answer was lost.
  const { lease } = found;
  const isOurs = publishedBy(own.lease.attrs, lease.attrs) || publishedBy(attrs, lease.attrs);
  if (!isOurs) throw leaseLost(tools, own.lease, found);
  return lease.permanent;
}

/** @returns the revision at which nobody had it */
async function refuseTaken(
  tools: SubnetTools,
  own: OwnLease,
  signal: AbortSignal | undefined,
): Promise<Revision> {
  const { subnet } = own.lease;
  const { entries, revision } = await listSubnets(tools, { ipv6: subnet.ipv6 !== undefined, signal });
  const holder = findOverlap(entries, subnet);
  if (holder !== undefined) throw leaseLost(tools, own.lease, holder);
  return revision;
}

async function refuseEarlier(
  tools: SubnetTools,
  own: OwnLease,
  seen: Revision,
  signal: AbortSignal | undefined,
): Promise<void> {
  const holder = await yieldToEarlier(tools, own, seen, signal);
  if (holder !== undefined) throw leaseLost(tools, own.lease, holder);
}
