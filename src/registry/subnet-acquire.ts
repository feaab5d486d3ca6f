import { backoffMs } from '../base/backoff.ts';
import { WeftError } from '../base/errors.ts';
import { fitsConfig, fittingPart, noSubnet } from '../lease/allocation.ts';
import { describeSubnet, subnetsOverlap } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { keepAddresses } from '../lease/lease-attrs.ts';
import {
  describeIdentity,
  findEarlier,
  type OwnLease,
  publishedBy,
  putLease,
  yieldToEarlier,
} from './own-lease.ts';
import type { Revision } from './registry.ts';
import {
  askedFamilies,
  completeSubnet,
  describeRanges,
  type LeaseWish,
  previousPart,
} from './subnet-choice.ts';
import {
  keyOfSubnet,
  listSubnets,
  type SubnetEntry,
  type SubnetListing,
  type SubnetTools,
} from './subnet-entries.ts';

/**
 * Each lost race means that another host has got a subnet, so that trying again comes to an end; this many lost
 * in a row means that something else is wrong.
 */
const maxAttempts = 100;
const raceBackoff = { firstMs: 4, maxMs: 500 };
/** Somebody who lost a race may be about to give a subnet back: it is full when it looks so this often in a row. */
const looksBeforeExhausted = 5;

/** What was taken, and at which revision that was so. */
interface Seen {
  readonly seen: Revision;
  readonly entries: readonly SubnetEntry[];
}

/**
 * See `SubnetManager.acquireLease`.
 * @param onListing told what was read before the lease became ours, without what was removed for it
 */
export async function acquireLease(
  tools: SubnetTools,
  wish: LeaseWish,
  onListing: (listing: SubnetListing) => void,
): Promise<OwnLease> {
  if (askedFamilies(wish).length === 0) {
    throw new WeftError(
      'public-ip-missing',
      'a lease needs a public address of its host, of a family that the network has; found none',
    );
  }
  for (let attempt = 0, full = 0; attempt < maxAttempts; attempt++) {
    if (attempt > 0) {
      const pauseMs = backoffMs(raceBackoff, attempt - 1, tools.random());
      await tools.clock.sleep(pauseMs, { signal: wish.signal });
    }
    const result = await tryToAcquire(tools, wish, onListing);
    if (result !== 'race lost' && !(result instanceof WeftError)) return result;
    full = result === 'race lost' ? 0 : full + 1;
    if (full === looksBeforeExhausted) throw result;
  }
  throw new WeftError(
    'lease-contended',
    `lost ${maxAttempts} races for a subnet in ${tools.registry.name} in a row`,
    { remedy: `make sure that no other host publishes the address ${describeIdentity(wish)}` },
  );
}

/** @returns an error when no subnet seems to be free */
async function tryToAcquire(
  tools: SubnetTools,
  wish: LeaseWish,
  onListing: (listing: SubnetListing) => void,
): Promise<OwnLease | 'race lost' | WeftError> {
  const { config, signal } = wish;
  const listing = await listSubnets(tools, { ipv6: config.enableIpv6, signal });
  const gone = new Set<SubnetEntry>();
  const result = await acquireFrom(tools, wish, listing, gone);
  const entries = listing.entries.filter(entry => !gone.has(entry));
  if (result !== 'race lost' && !(result instanceof WeftError)) onListing({ ...listing, entries });
  return result;
}

/** @param gone which of the entries were removed for it */
async function acquireFrom(
  tools: SubnetTools,
  wish: LeaseWish,
  { entries, revision: seen }: SubnetListing,
  gone: Set<SubnetEntry>,
): Promise<OwnLease | 'race lost' | WeftError> {
  const { config } = wish;
  const ours = entries.filter(entry => entry.lease !== undefined && publishedBy(wish, entry.lease.attrs));
  const usable = ours.filter(({ subnet }) => !isEmpty(fittingPart(config, subnet)));
  for (const entry of ours) {
    if (usable.includes(entry)) continue;
    const fate = await dropUnfit(tools, wish, entry);
    if (fate === 'race lost') return fate;
    if (fate === 'deleted') gone.add(entry);
  }
  const there = { seen, entries: entries.filter(entry => !gone.has(entry)) };
  const kept = preferred(wish, usable);
  if (kept?.lease === undefined) return await takeFree(tools, wish, there);
  for (const shadow of await dropShadows(tools, wish, kept, usable)) gone.add(shadow);
  if (isWhole(wish, kept)) return await keep(tools, wish, kept, kept.lease, usable.length);
  gone.add(kept);
  return await complete(tools, wish, kept, kept.lease, there);
}

/** True for a lease that can stay as it is: under its key, of all families that we can use, and none that went. */
function isWhole(wish: LeaseWish, { key, subnet }: SubnetEntry): boolean {
  const asked = askedFamilies(wish).every(family => (family === 4 ? subnet.ipv4 : subnet.ipv6) !== undefined);
  return asked && fitsConfig(wish.config, subnet) && key === keyOfSubnet(subnet);
}

/** A reservation is the operator's: it is left alone even when it does not fit. */
async function dropUnfit(
  { registry, log }: SubnetTools,
  { config, signal, ...identity }: LeaseWish,
  entry: SubnetEntry,
): Promise<'deleted' | 'left' | 'race lost'> {
  const { key, revision } = entry;
  const what = `${describeSubnet(entry.subnet)}, leased to ${describeIdentity(identity)}, does not fit the network config (${describeRanges(config)})`;
  if (entry.lease?.permanent === true) {
    log.warn({ key }, `the reservation ${what}: it is left alone and not used`);
    return 'left';
  }
  log.warn({ key }, `${what}: deleting the lease`);
  return (await registry.delete(key, { expect: revision, signal })) ? 'deleted' : 'race lost';
}

/** A move that was cut off may leave the lease under its old key too; beside the new one it confuses the peers. */
async function dropShadows(
  { registry, log }: SubnetTools,
  wish: LeaseWish,
  kept: SubnetEntry,
  ours: readonly SubnetEntry[],
): Promise<readonly SubnetEntry[]> {
  const dropped: SubnetEntry[] = [];
  for (const entry of ours) {
    const { key, revision, subnet, lease } = entry;
    if (key === kept.key || lease?.permanent === true || !subnetsOverlap(subnet, kept.subnet)) continue;
    log.warn({ key }, `deleting our lease ${key}: it is about the same addresses as ${kept.key}`);
    if (await registry.delete(key, { expect: revision, signal: wish.signal })) dropped.push(entry);
  }
  return dropped;
}

/**
 * A reservation first, then the subnet in use until now, then the first in key order as in flannel; of those that can
 * stay as they are before the others.
 */
function preferred(wish: LeaseWish, usable: readonly SubnetEntry[]): SubnetEntry | undefined {
  const previous = wish.previousSubnet;
  const among = usable.some(entry => isWhole(wish, entry))
    ? usable.filter(entry => isWhole(wish, entry))
    : usable;
  const isPrevious = ({ subnet: { ipv4, ipv6 } }: SubnetEntry): boolean =>
    ipv4 === undefined ? ipv6 === previous?.ipv6 : ipv4 === previous?.ipv4;
  return usable.find(entry => entry.lease?.permanent) ?? among.find(isPrevious) ?? among[0];
}

async function keep(
  tools: SubnetTools,
  wish: LeaseWish,
  entry: SubnetEntry,
  existing: Lease,
  count: number,
): Promise<OwnLease | 'race lost'> {
  if (count > 1) {
    tools.log.warn(
      { key: entry.key, count },
      `${count} leases publish our address ${describeIdentity(wish)}: keeping ${describeSubnet(entry.subnet)}, the others are left to expire`,
    );
  }
  const lease = { ...existing, attrs: keepAddresses(wish.attrsFor(existing), existing) };
  const { own } = await putLease(tools, lease, { how: 'kept', expect: entry.revision, signal: wish.signal });
  return own ?? 'race lost';
}

/**
 * Keeps what of our lease fits, whose addresses containers hold, and lets the key follow what the network has become: a
 * family comes that was switched on, one goes that was switched off or whose range is another. In one step, so that
 * peers miss nothing and nobody takes what we keep.
 */
async function complete(
  tools: SubnetTools,
  wish: LeaseWish,
  entry: SubnetEntry,
  existing: Lease,
  { seen, entries }: Seen,
): Promise<OwnLease | 'race lost' | WeftError> {
  const { registry, log } = tools;
  const { config, signal } = wish;
  const others = entries.filter(({ key }) => key !== entry.key);
  const part = fittingPart(config, entry.subnet);
  const subnet = completeSubnet(tools, wish, previousPart(tools, wish, part, others), others);
  if (subnet instanceof WeftError) return subnet;
  const lease = {
    ...existing,
    subnet,
    attrs: keepAddresses(wish.attrsFor(existing), { ...existing, subnet }),
  };
  const how = 'kept';
  const { own } = await putLease(tools, lease, { how, expect: entry.revision, from: entry.key, signal });
  if (own === undefined) return 'race lost';
  const fresh = {
    ipv4: subnet.ipv4 === part.ipv4 ? undefined : subnet.ipv4,
    ipv6: subnet.ipv6 === part.ipv6 ? undefined : subnet.ipv6,
  };
  if ((await findEarlier(tools, own, fresh, { seen, signal })) !== undefined) {
    const back = { how, expect: own.revision, from: own.key, signal } as const;
    await putLease(tools, existing, back);
    return 'race lost';
  }
  log.info(
    { from: entry.key, to: own.key, registry: registry.name },
    `the lease of ${describeSubnet(entry.subnet)} has become that of ${describeSubnet(subnet)}`,
  );
  return own;
}

async function takeFree(
  tools: SubnetTools,
  wish: LeaseWish,
  { seen, entries }: Seen,
): Promise<OwnLease | 'race lost' | WeftError> {
  const previous = previousPart(tools, wish, noSubnet, entries);
  const subnet = completeSubnet(tools, wish, previous, entries);
  if (subnet instanceof WeftError) return subnet;
  const how = isEmpty(previous) ? 'new' : 'previous';
  const lease = { subnet, attrs: wish.attrsFor(undefined), permanent: false };
  const { own } = await putLease(tools, lease, { how, expect: 'absent', signal: wish.signal });
  const rival = own && (await yieldToEarlier(tools, own, seen, wish.signal));
  if (own !== undefined && rival === undefined) return own;
  tools.log.info(
    { subnet: describeSubnet(subnet) },
    `another host was faster to lease ${describeSubnet(subnet)}`,
  );
  return 'race lost';
}

function isEmpty({ ipv4, ipv6 }: Subnet): boolean {
  return ipv4 === undefined && ipv6 === undefined;
}
