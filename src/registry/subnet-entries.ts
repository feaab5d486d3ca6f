import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { subnetsOverlap } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { parseLeaseAttrs } from '../lease/lease-attrs.ts';
import { formatSubnetKey, parseSubnetKey } from '../lease/subnet-key.ts';
import type { Registry, RegistryEntry, RegistryPage, Revision } from './registry.ts';

/** What the subnet manager's policy works with. */
export interface SubnetTools {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly warnOnce: WarnOnce;
}

/** Warns about an entry once for each of its revisions, however often it is seen. */
export type WarnOnce = (entry: Pick<RegistryEntry, 'key' | 'revision'>, message: string) => void;

/** The key of the network config. */
export const configKey = 'config';

/** All leases with an IPv4 subnet, and nothing else, lie below this prefix: flannel's. */
export const subnetsPrefix = 'subnets/';

/**
 * Leases of IPv6 alone lie where no flanneld looks: it lists and watches all that begins with `subnets`, and takes what
 * it finds there for a lease of 0.0.0.0/0 (docs/adr/0015-ipv6-only-leases.md).
 */
export const ipv6OnlyPrefix = 'subnet6/';

/** What to list or watch to see all leases that can meet an IPv4, or an IPv6, subnet. */
export function leasesPrefix({ ipv6 }: { readonly ipv6: boolean }): string {
  return ipv6 ? 'subnet' : subnetsPrefix;
}

/** A key that names a subnet: that subnet is taken, whatever its value says. */
export interface SubnetEntry {
  readonly key: string;
  readonly revision: Revision;
  readonly subnet: Subnet;
  /** Undefined when the value is malformed. */
  readonly lease: Lease | undefined;
}

export function keyOfSubnet(subnet: Subnet): string {
  return `${subnet.ipv4 === undefined ? ipv6OnlyPrefix : subnetsPrefix}${formatSubnetKey(subnet)}`;
}

const mostRemembered = 10_000;

export function createWarnOnce(log: Log): WarnOnce {
  const warned = new Map<string, Revision>();
  return ({ key, revision }, message) => {
    if (warned.get(key) === revision) return;
    // Keys that come and go for ever shall not fill the memory; at worst a warning is told again.
    if (warned.size >= mostRemembered) warned.clear();
    warned.set(key, revision);
    log.warn({ key, revision: String(revision) }, message);
  };
}

/** All subnets that are taken, as of one revision, from which a watch can go on. */
export interface SubnetListing {
  readonly entries: readonly SubnetEntry[];
  /** What was listed; see {@link leasesPrefix}. */
  readonly prefix: string;
  readonly revision: Revision;
  /** The entry that was written last, as `WatchOptions.witness`. */
  readonly witness: RegistryEntry | undefined;
}

/**
 * Lists the subnets that are taken, or those written after the revision `since`. Foreign keys are left out; they and
 * malformed values are warned about. Each page's text is given up as soon as it is read.
 */
export async function listSubnets(
  { registry, warnOnce }: SubnetTools,
  options: { readonly ipv6: boolean; readonly signal: AbortSignal | undefined; readonly since?: Revision },
): Promise<SubnetListing> {
  const prefix = leasesPrefix(options);
  let entries: SubnetEntry[] = [];
  let witness: RegistryEntry | undefined;
  const onPage = (page: RegistryPage): void => {
    if (page.first) [entries, witness] = [[], undefined];
    for (const entry of page.entries) {
      if (witness === undefined || entry.revision > witness.revision) witness = entry;
      const found = readSubnetEntry(entry, warnOnce);
      if (found !== undefined) entries.push(found);
    }
  };
  const { signal, since } = options;
  const { revision } = await registry.list(prefix, { signal, since, onPage });
  return { entries, prefix, revision, witness };
}

/** What an entry says; undefined for a key that names no subnet. */
export function readSubnetEntry(entry: RegistryEntry, warnOnce: WarnOnce): SubnetEntry | undefined {
  const { key, revision, permanent } = entry;
  const subnet = subnetOfKey(key);
  if (subnet === 'elsewhere') return undefined;
  if (subnet === undefined) {
    warnOnce(
      entry,
      `ignoring the key ${key}: it names no subnet; expected one such as ${subnetsPrefix}10.2.14.0-24 or ${ipv6OnlyPrefix}fd00:10:2:3::-64`,
    );
    return undefined;
  }
  try {
    return { key, revision, subnet, lease: { subnet, attrs: parseLeaseAttrs(entry.value), permanent } };
  } catch (error) {
    warnOnce(entry, `ignoring the value of ${key}, whose subnet counts as taken: ${describeError(error)}`);
    return { key, revision, subnet, lease: undefined };
  }
}

/** What flanneld, told to use IPv6 alone, writes below `subnets/` in front of the IPv6 subnet. */
const noIpv4 = '0.0.0.0-0&';

/** The subnet a key names; undefined when it names none, `elsewhere` where nobody keeps leases. */
function subnetOfKey(key: string): Subnet | 'elsewhere' | undefined {
  if (key.startsWith(subnetsPrefix)) {
    const name = key.slice(subnetsPrefix.length);
    if (name.startsWith(noIpv4)) return ofIpv6Alone(name.slice(noIpv4.length));
    const subnet = parseSubnetKey(name);
    return subnet?.ipv4 === undefined ? undefined : subnet;
  }
  return key.startsWith(ipv6OnlyPrefix) ? ofIpv6Alone(key.slice(ipv6OnlyPrefix.length)) : 'elsewhere';
}

function ofIpv6Alone(name: string): Subnet | undefined {
  const subnet = parseSubnetKey(name);
  return subnet?.ipv4 === undefined ? subnet : undefined;
}

/** The first entry, other than that of `key`, that shares an address with `subnet`. */
export function findOverlap(
  entries: readonly SubnetEntry[],
  subnet: Subnet,
  key = keyOfSubnet(subnet),
): SubnetEntry | undefined {
  return entries.find(entry => entry.key !== key && subnetsOverlap(entry.subnet, subnet));
}
