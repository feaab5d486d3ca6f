import { type Family, type IpAddress, ipFromBigInt, ipToBigInt } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixLength, prefixOf, prefixSize } from '../base/prefix.ts';
import type { Subnet } from './lease.ts';
import { type NetworkConfig, rangeOf } from './network-config.ts';
import { countRange, hostBits, type SubnetRange } from './subnet-range.ts';

/**
 * A free subnet of every family in `families`, or undefined when one of them is used up. It is uniformly random over
 * all that overlap no subnet in `taken`: flannel picks among the first hundred, where hosts that start together
 * collide. The families are chosen independently. Costs the number of `taken`, never the size of the range.
 * @param random uniform in [0, 1)
 * @param given what the host has or had and shall keep, of whatever family: only the rest is chosen
 */
export function chooseSubnet(
  config: NetworkConfig,
  taken: Iterable<Subnet>,
  random: () => number,
  given: Subnet = noSubnet,
  families: readonly Family[] = [4, 6],
): Subnet | undefined {
  const subnets = [...taken];
  const choose = (family: Family, kept: Prefix | undefined, used: ReadonlyArray<Prefix | undefined>) => {
    const range = kept === undefined && families.includes(family) ? rangeOf(config, family) : undefined;
    return range === undefined ? kept : (chooseFree(range, used, random) ?? 'none');
  };
  const ipv4 = choose(
    4,
    given.ipv4,
    subnets.map(subnet => subnet.ipv4),
  );
  const ipv6 = choose(
    6,
    given.ipv6,
    subnets.map(subnet => subnet.ipv6),
  );
  if (ipv4 === 'none' || ipv6 === 'none') return undefined;
  return ipv4 === undefined && ipv6 === undefined ? undefined : { ipv4, ipv6 };
}

/** What of `subnet` the config could have given out: right family, right length, from min to max. */
export function fittingPart(config: NetworkConfig, { ipv4, ipv6 }: Subnet): Subnet {
  return {
    ipv4: fitsRange(rangeOf(config, 4), ipv4) ? ipv4 : undefined,
    ipv6: fitsRange(rangeOf(config, 6), ipv6) ? ipv6 : undefined,
  };
}

/**
 * True when the config could have given out all of `subnet`. One family may be missing that the config has: a host
 * without an address of it on the underlay is a member by the other.
 */
export function fitsConfig(config: NetworkConfig, subnet: Subnet): boolean {
  const { ipv4, ipv6 } = fittingPart(config, subnet);
  return (ipv4 ?? ipv6) !== undefined && ipv4 === subnet.ipv4 && ipv6 === subnet.ipv6;
}

/** A host's subnet before it has one. */
export const noSubnet: Subnet = { ipv4: undefined, ipv6: undefined };

/** How many hosts can have a subnet: the fewer of the two families. */
export function countSubnets(config: NetworkConfig): bigint {
  const counts = [rangeOf(config, 4), rangeOf(config, 6)].filter(isThere).map(countRange);
  return counts.sort(ascending)[0] ?? 0n;
}

/** Subnets number `first` to `last` of a range, counted from its min. */
interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/** Undefined when nothing is left. */
function chooseFree(
  range: SubnetRange,
  taken: ReadonlyArray<Prefix | undefined>,
  random: () => number,
): Prefix | undefined {
  const spans = takenSpans(range, taken.filter(isThere));
  const used = spans.reduce((sum, span) => sum + span.last - span.first + 1n, 0n);
  const free = countRange(range) - used;
  return free === 0n ? undefined : subnetAt(range, nthFree(spans, randomBelow(free, random)));
}

/** What is taken, as disjoint spans in ascending order, cut to the range. */
function takenSpans(range: SubnetRange, taken: readonly Prefix[]): Span[] {
  const min = ipToBigInt(range.min);
  const bits = hostBits(range);
  const end = countRange(range) - 1n;
  const spans: Span[] = [];
  for (const prefix of taken) {
    const base = ipToBigInt(prefixBase(prefix)) - min;
    const first = base >> bits;
    const last = (base + prefixSize(prefix) - 1n) >> bits;
    if (last >= 0n && first <= end)
      spans.push({ first: first < 0n ? 0n : first, last: last > end ? end : last });
  }
  return merge(spans.sort((one, other) => ascending(one.first, other.first)));
}

function merge(sorted: readonly Span[]): Span[] {
  const merged: Span[] = [];
  for (const span of sorted) {
    const before = merged.at(-1);
    if (before === undefined || span.first > before.last) merged.push(span);
    else if (span.last > before.last) merged[merged.length - 1] = { first: before.first, last: span.last };
  }
  return merged;
}

/** The number of the `index`th subnet that lies in no span. */
function nthFree(spans: readonly Span[], index: bigint): bigint {
  let number = index;
  for (const span of spans) {
    if (number < span.first) break;
    number += span.last - span.first + 1n;
  }
  return number;
}

function subnetAt(range: SubnetRange, number: bigint): Prefix {
  const base: IpAddress = ipFromBigInt(
    ipToBigInt(range.min) + (number << hostBits(range)),
    prefixFamily(range.network),
  );
  return prefixOf(base, range.length);
}

/**
 * A whole number in [0, limit): the random fraction, drawn to 53 bits more than the limit has, times the limit. So
 * no number is favoured by more than one part in 2^53, and there is no loop that bad luck could prolong.
 */
function randomBelow(limit: bigint, random: () => number): bigint {
  const draws = Math.ceil((limit.toString(2).length + 53) / 32);
  let fraction = 0n;
  for (let draw = 0; draw < draws; draw++)
    fraction = (fraction << 32n) | BigInt(Math.floor(random() * 2 ** 32));
  return (fraction * limit) >> BigInt(draws * 32);
}

function fitsRange(range: SubnetRange | undefined, subnet: Prefix | undefined): boolean {
  if (range === undefined || subnet === undefined) return false;
  if (prefixFamily(subnet) !== prefixFamily(range.network) || prefixLength(subnet) !== range.length)
    return false;
  const base = ipToBigInt(prefixBase(subnet));
  return ipToBigInt(range.min) <= base && base <= ipToBigInt(range.max);
}

function ascending(one: bigint, other: bigint): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}
