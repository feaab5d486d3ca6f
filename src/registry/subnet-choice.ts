/** Which subnet a host that has none, or only a part of one, shall have. */
import { WeftError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
import { chooseSubnet, countSubnets, fittingPart, noSubnet } from '../lease/allocation.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, LeaseAttrs, Subnet } from '../lease/lease.ts';
import { type NetworkConfig, rangeOf } from '../lease/network-config.ts';
import type { Identity } from './own-lease.ts';
import { findOverlap, type SubnetEntry, type SubnetTools } from './subnet-entries.ts';

/** What a host asks for: a subnet of each family that the network has and of which the host has an address. */
export interface LeaseWish extends Identity {
  readonly config: NetworkConfig;
  /** The subnet of the subnet file, leased again when it is free. */
  readonly previousSubnet?: Subnet | undefined;
  /** What to publish; may keep something of the lease that is there, such as its MAC. */
  readonly attrsFor: (existing: Lease | undefined) => LeaseAttrs;
  readonly signal?: AbortSignal | undefined;
}

export function askedFamilies({ config, publicIp, publicIpv6 }: LeaseWish): Family[] {
  const families: Family[] = [];
  if (config.enableIpv4 && publicIp !== undefined) families.push(4);
  if (config.enableIpv6 && publicIpv6 !== undefined) families.push(6);
  return families;
}

/** `given` and what is asked for beside it, chosen at random among what `others` leave free; an error when that is nothing. */
export function completeSubnet(
  tools: SubnetTools,
  wish: LeaseWish,
  given: Subnet,
  others: readonly SubnetEntry[],
): Subnet | WeftError {
  const taken = others.map(entry => entry.subnet);
  const subnet = chooseSubnet(wish.config, taken, tools.random, given, askedFamilies(wish));
  return subnet ?? exhausted(tools, wish.config, others);
}

/** What of the previous subnet can be leased again, family by family, where we `have` none yet. */
export function previousPart(
  { log }: SubnetTools,
  wish: LeaseWish,
  have: Subnet,
  others: readonly SubnetEntry[],
): Subnet {
  let part: Subnet = have;
  for (const family of askedFamilies(wish)) {
    const key = family === 4 ? 'ipv4' : 'ipv6';
    const prefix = wish.previousSubnet?.[key];
    if (have[key] !== undefined || prefix === undefined) continue;
    const subnet = { ...noSubnet, [key]: prefix };
    const rival = findOverlap(others, subnet, '');
    const what = `the previous subnet ${prefix}`;
    if (fittingPart(wish.config, subnet)[key] === undefined) {
      log.warn(
        {},
        `${what} does not fit the network config (${describeRanges(wish.config)}): leasing another`,
      );
    } else if (rival !== undefined) {
      log.warn({ key: rival.key }, `${what} is taken by ${describeSubnet(rival.subnet)}: leasing another`);
    } else {
      part = { ...part, [key]: prefix };
    }
  }
  return part;
}

/** `/24 of 10.2.0.0/16 from 10.2.1.0 to 10.2.255.0`, for each family. */
export function describeRanges(config: NetworkConfig): string {
  return [rangeOf(config, 4), rangeOf(config, 6)]
    .filter(range => range !== undefined)
    .map(({ network, length, min, max }) => `/${length} of ${network} from ${min} to ${max}`)
    .join(', ');
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
