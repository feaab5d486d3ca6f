import { addressBits, type Family, ipToBigInt, ipv4ToNumber } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixLength, prefixSize } from '../base/prefix.ts';

/** Addresses as numbers; bigints for IPv6 alone, since each takes memory of its own. Never of two kinds in one comparison. */
interface Range {
  readonly first: number | bigint;
  readonly last: number | bigint;
}

interface Claim extends Range {
  readonly prefix: Prefix;
  readonly owner: string;
}

/**
 * Prefixes of which no two share an address, each with its owner. What overlaps another prefix is found in log n
 * steps, whether it is equal, more specific or wider.
 */
export class PrefixClaims {
  /** By first address; disjoint, so by last address as well. */
  readonly #claims: Readonly<Record<Family, Claim[]>> = { 4: [], 6: [] };

  /** Who holds an address of `prefix`: the first of them. */
  holderOf(prefix: Prefix): string | undefined {
    const claims = this.#claims[prefixFamily(prefix)];
    const range = rangeOf(prefix);
    return overlapping(claims, range, indexFrom(claims, range))?.owner;
  }

  /** @throws RangeError when somebody holds a part of it */
  claim(prefix: Prefix, owner: string): void {
    const claims = this.#claims[prefixFamily(prefix)];
    const range = rangeOf(prefix);
    const index = indexFrom(claims, range);
    const other = overlapping(claims, range, index);
    if (other !== undefined) throw new RangeError(`${prefix} overlaps ${other.prefix} of ${other.owner}`);
    claims.splice(index, 0, { first: range.first, last: range.last, prefix, owner });
  }

  /** Nothing happens when nobody holds exactly this. */
  release(prefix: Prefix): void {
    const claims = this.#claims[prefixFamily(prefix)];
    const index = indexFrom(claims, rangeOf(prefix));
    if (claims[index]?.prefix === prefix) claims.splice(index, 1);
  }
}

function rangeOf(prefix: Prefix): Range {
  const base = prefixBase(prefix);
  const number = ipv4ToNumber(base);
  if (number !== undefined) {
    // By bits, which gives integers: V8 keeps what it has reckoned as a double as an object of its own.
    return { first: number >>> 0, last: (number | hostMask(prefixLength(prefix))) >>> 0 };
  }
  const first = ipToBigInt(base);
  return { first, last: first + prefixSize(prefix) - 1n };
}

/** Ones where an IPv4 prefix of so many bits has none. */
function hostMask(length: number): number {
  return length === 0 ? -1 : (1 << (addressBits[4] - length)) - 1;
}

/** @param index of the first claim that begins where the range does, or later */
function overlapping(claims: readonly Claim[], { first, last }: Range, index: number): Claim | undefined {
  const [before, after] = [claims[index - 1], claims[index]];
  if (before !== undefined && before.last >= first) return before;
  return after !== undefined && after.first <= last ? after : undefined;
}

/** The first claim that begins where the range does, or later. */
function indexFrom(claims: readonly Claim[], { first }: Range): number {
  let [low, high] = [0, claims.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((claims[middle]?.first ?? 0) < first) low = middle + 1;
    else high = middle;
  }
  return low;
}
