/** Sets of packets, by source and destination: what of a flow a rule takes, and what it leaves. */
import { addressBits, ipToBigInt } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixSize } from '../base/prefix.ts';

/** Addresses by their numbers, both ends included. */
export interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** All packets from one range to another. */
export interface FlowBox {
  readonly source: Range;
  readonly destination: Range;
}

/** A union. Boxes may overlap where nothing is said of it. */
export type FlowSet = readonly FlowBox[];

export function rangeOf(prefix: Prefix): Range {
  const first = ipToBigInt(prefixBase(prefix));
  return { first, last: first + prefixSize(prefix) - 1n };
}

/** Prefixes of one family as ranges apart from each other, ascending; with `not`, all other addresses. */
export function rangesOf(prefixes: readonly Prefix[], not: boolean): Range[] {
  const ranges = merged(prefixes.map(rangeOf));
  const [some] = prefixes;
  return not && some !== undefined ? gaps(ranges, 1n << BigInt(addressBits[prefixFamily(some)])) : ranges;
}

/** What of the set has a source, or a destination, in one of the ranges. Boxes that are apart stay apart. */
export function within(set: FlowSet, field: keyof FlowBox, ranges: readonly Range[]): FlowSet {
  return set.flatMap(box =>
    ranges.flatMap(range => {
      const common = overlap(box[field], range);
      return common === undefined ? [] : [{ ...box, [field]: common }];
    }),
  );
}

export function without(set: FlowSet, taken: FlowSet): FlowSet {
  let rest = set;
  for (const box of taken) rest = rest.flatMap(one => cutOut(one, box));
  return rest;
}

/** @returns boxes apart from each other, when those of each set are */
export function union(one: FlowSet, other: FlowSet): FlowSet {
  return [...one, ...without(other, one)];
}

function merged(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  for (const range of [...ranges].sort((one, other) => (one.first < other.first ? -1 : 1))) {
    const before = result.at(-1);
    if (before === undefined || range.first > before.last + 1n) result.push(range);
    else if (range.last > before.last) result[result.length - 1] = { first: before.first, last: range.last };
  }
  return result;
}

/** @param end the first number that is no address any more */
function gaps(ranges: readonly Range[], end: bigint): Range[] {
  const starts = [0n, ...ranges.map(({ last }) => last + 1n)];
  const ends = [...ranges.map(({ first }) => first - 1n), end - 1n];
  return starts.flatMap((first, index) => {
    const last = ends[index] ?? -1n;
    return first > last ? [] : [{ first, last }];
  });
}

function overlap(one: Range, other: Range): Range | undefined {
  const first = one.first > other.first ? one.first : other.first;
  const last = one.last < other.last ? one.last : other.last;
  return first > last ? undefined : { first, last };
}

/** At most four boxes around the hole. */
function cutOut(box: FlowBox, hole: FlowBox): FlowSet {
  const source = overlap(box.source, hole.source);
  const destination = overlap(box.destination, hole.destination);
  if (source === undefined || destination === undefined) return [box];
  return [
    ...beside(box.source, source).map(range => ({ ...box, source: range })),
    ...beside(box.destination, destination).map(range => ({ source, destination: range })),
  ];
}

/** What of a range is before and behind a part of it. */
function beside(whole: Range, part: Range): Range[] {
  return [
    ...(whole.first < part.first ? [{ first: whole.first, last: part.first - 1n }] : []),
    ...(part.last < whole.last ? [{ first: part.last + 1n, last: whole.last }] : []),
  ];
}
