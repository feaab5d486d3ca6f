import { backoffMs } from '../base/backoff.ts';
import { WeftError } from '../base/errors.ts';
import { chooseSubnet, countSubnets, fitsConfig } from '../lease/allocation.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, LeaseAttrs, Subnet } from '../lease/lease.ts';
import { type NetworkConfig, rangeOf } from '../lease/network-config.ts';
import {
  describeIdentity,
  type Identity,
  type OwnLease,
  publishedBy,
  putLease,
  yieldToEarlier,
} from './own-lease.ts';
import { findOverlap, listSubnets, type SubnetEntry, type SubnetTools } from './subnet-entries.ts';

/** What a host asks for. */
export interface LeaseWish extends Identity {
  readonly config: NetworkConfig;
  /** The subnet of the subnet file, leased again when it is free. */
  readonly previousSubnet?: Subnet | undefined;
  /** What to publish; may keep something of the lease that is there, such as its MAC. */
  readonly attrsFor: (existing: Lease | undefined) => LeaseAttrs;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Each lost race means that another host has got a subnet, so that trying again comes to an end; this many lost
 * in a row means that something else is wrong.
 */
const maxAttempts = 100;
const raceBackoff = { firstMs: 4, maxMs: 500 };
/** Somebody who lost a race may be about to give a subnet back: it is full when it looks so this often in a row. */
const looksBeforeExhausted = 5;

/** See `SubnetManager.acquireLease`. */
export async function acquireLease(tools: SubnetTools, wish: LeaseWish): Promise<OwnLease> {
  if (wish.publicIp === undefined && wish.publicIpv6 === undefined) {
    throw new WeftError('public-ip-missing', 'a lease needs the public address of its host, found none');
  }
  for (let attempt = 0, full = 0; attempt < maxAttempts; attempt++) {
    if (attempt > 0) {
      const pauseMs = backoffMs(raceBackoff, attempt - 1, tools.random());
      await tools.clock.sleep(pauseMs, { signal: wish.signal });
    }
    const result = await tryToAcquire(tools, wish);
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
): Promise<OwnLease | 'race lost' | WeftError> {
  const entries = await listSubnets(tools, wish.signal);
  const ours = entries.filter(entry => entry.lease !== undefined && publishedBy(wish, entry.lease.attrs));
  const fitting = ours.filter(entry => fitsConfig(wish.config, entry.subnet));
  const gone = new Set<SubnetEntry>();
  for (const entry of ours) {
    if (fitting.includes(entry)) continue;
    const fate = await dropUnfit(tools, wish, entry);
    if (fate === 'race lost') return fate;
    if (fate === 'deleted') gone.add(entry);
  }
  const kept = preferred(fitting, wish.previousSubnet);
  if (kept?.lease !== undefined) return await keep(tools, wish, kept, kept.lease, fitting.length);
  return await takeFree(
    tools,
    wish,
    entries.filter(entry => !gone.has(entry)),
  );
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

/** A reservation first, then the subnet in use until now, then the first in key order as in flannel. */
function preferred(fitting: readonly SubnetEntry[], previous: Subnet | undefined): SubnetEntry | undefined {
  return (
    fitting.find(entry => entry.lease?.permanent) ??
    fitting.find(entry => entry.subnet.ipv4 === previous?.ipv4 && entry.subnet.ipv6 === previous?.ipv6) ??
    fitting[0]
  );
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
  const lease = { ...existing, attrs: wish.attrsFor(existing) };
  const { own } = await putLease(tools, lease, { how: 'kept', expect: entry.revision, signal: wish.signal });
  return own ?? 'race lost';
}

async function takeFree(
  tools: SubnetTools,
  wish: LeaseWish,
  entries: readonly SubnetEntry[],
): Promise<OwnLease | 'race lost' | WeftError> {
  const previous = usablePrevious(tools, wish, entries);
  const taken = entries.map(entry => entry.subnet);
  const subnet = previous ?? chooseSubnet(wish.config, taken, tools.random);
  if (subnet === undefined) return exhausted(tools, wish.config, entries);
  const how = previous === undefined ? 'new' : 'previous';
  const lease = { subnet, attrs: wish.attrsFor(undefined), permanent: false };
  const { own } = await putLease(tools, lease, { how, expect: 'absent', signal: wish.signal });
  const rival = own && (await yieldToEarlier(tools, own, wish.signal));
  if (own !== undefined && rival === undefined) return own;
  tools.log.info(
    { subnet: describeSubnet(subnet) },
    `another host was faster to lease ${describeSubnet(subnet)}`,
  );
  return 'race lost';
}

function usablePrevious(
  { log }: SubnetTools,
  { config, previousSubnet }: LeaseWish,
  entries: readonly SubnetEntry[],
): Subnet | undefined {
  if (previousSubnet === undefined) return undefined;
  const what = `the previous subnet ${describeSubnet(previousSubnet)}`;
  const rival = findOverlap(entries, previousSubnet, '');
  if (!fitsConfig(config, previousSubnet)) {
    log.warn({}, `${what} does not fit the network config (${describeRanges(config)}): leasing another`);
  } else if (rival !== undefined) {
    log.warn({ key: rival.key }, `${what} is taken by ${describeSubnet(rival.subnet)}: leasing another`);
  } else {
    return previousSubnet;
  }
  return undefined;
}

function exhausted(tools: SubnetTools, config: NetworkConfig, entries: readonly SubnetEntry[]): WeftError {
  const permanent = entries.filter(entry => entry.lease?.permanent).length;
  return new WeftError(
    'subnets-exhausted',
    `no subnet is free: ${describeRanges(config)} holds ${countSubnets(config)}, and ${entries.length} are taken in ${tools.registry.name} (${permanent} of them reserved)`,
    {
      remedy:
        'enlarge the network or make its subnets smaller (weft config put), or remove the leases of hosts that are gone; those expire within 24 h by themselves',
    },
  );
}

function describeRanges(config: NetworkConfig): string {
  return [rangeOf(config, 4), rangeOf(config, 6)]
    .filter(range => range !== undefined)
    .map(({ network, length, min, max }) => `/${length} of ${network} from ${min} to ${max}`)
    .join(', ');
}
