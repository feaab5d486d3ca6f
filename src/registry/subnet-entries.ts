import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { subnetsOverlap } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { parseLeaseAttrs } from '../lease/lease-attrs.ts';
import { formatSubnetKey, parseSubnetKey } from '../lease/subnet-key.ts';
import type { Registry, RegistryEntry, Revision } from './registry.ts';

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
export type WarnOnce = (entry: RegistryEntry, message: string) => void;

/** All leases, and nothing else, lie below this prefix. */
export const subnetsPrefix = 'subnets/';

/** A key that names a subnet: that subnet is taken, whatever its value says. */
export interface SubnetEntry {
  readonly key: string;
  readonly revision: Revision;
  readonly subnet: Subnet;
  /** Undefined when the value is malformed. */
  readonly lease: Lease | undefined;
}

export function keyOfSubnet(subnet: Subnet): string {
  return `${subnetsPrefix}${formatSubnetKey(subnet)}`;
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

/** All subnets that are taken. Foreign keys are left out; they and malformed values are warned about. */
export async function listSubnets(
  tools: SubnetTools,
  signal: AbortSignal | undefined,
): Promise<SubnetEntry[]> {
  const { entries } = await tools.registry.list(subnetsPrefix, { signal });
  return entries.map(entry => readSubnetEntry(entry, tools.warnOnce)).filter(entry => entry !== undefined);
}

/** What an entry says; undefined for a key that names no subnet. */
export function readSubnetEntry(entry: RegistryEntry, warnOnce: WarnOnce): SubnetEntry | undefined {
  const { key, revision, permanent } = entry;
  const subnet = parseSubnetKey(key.slice(subnetsPrefix.length));
  if (subnet === undefined) {
    warnOnce(
      entry,
      `ignoring the key ${key}: it names no subnet; expected one such as ${subnetsPrefix}10.2.14.0-24`,
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

/** The first entry, other than that of `key`, that shares an address with `subnet`. */
export function findOverlap(
  entries: readonly SubnetEntry[],
  subnet: Subnet,
  key = keyOfSubnet(subnet),
): SubnetEntry | undefined {
  return entries.find(entry => entry.key !== key && subnetsOverlap(entry.subnet, subnet));
}
