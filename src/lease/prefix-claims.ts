import type { Family } from '../base/ip.ts';
import { ipToBigInt } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixSize } from '../base/prefix.ts';

interface Claim {
  readonly first: bigint;
  readonly last: bigint;
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
    return this.#overlapping(prefix)?.owner;
  }

  /** @throws RangeError when somebody holds a part of it */
  claim(prefix: Prefix, owner: string): void {
    const other = this.#overlapping(prefix);
    if (other !== undefined) throw new RangeError(`${prefix} overlaps ${other.prefix} of ${other.owner}`);
    const first = ipToBigInt(prefixBase(prefix));
    const claim = { first, last: first + prefixSize(prefix) - 1n, prefix, owner };
    this.#claims[prefixFamily(prefix)].splice(this.#indexFrom(prefix, first), 0, claim);
  }

  /** Nothing happens when nobody holds exactly this. */
  release(prefix: Prefix): void {
    const index = this.#indexFrom(prefix, ipToBigInt(prefixBase(prefix)));
    const claims = this.#claims[prefixFamily(prefix)];
    if (claims[index]?.prefix === prefix) claims.splice(index, 1);
  }

  #overlapping(prefix: Prefix): Claim | undefined {
    const first = ipToBigInt(prefixBase(prefix));
    const claims = this.#claims[prefixFamily(prefix)];
    const index = this.#indexFrom(prefix, first);
    const [before, after] = [claims[index - 1], claims[index]];
    if (before !== undefined && before.last >= first) return before;
    return after !== undefined && after.first < first + prefixSize(prefix) ? after : undefined;
  }

  /** Index of the first claim that begins at `first` or later. */
  #indexFrom(prefix: Prefix, first: bigint): number {
    const claims = this.#claims[prefixFamily(prefix)];
    let [low, high] = [0, claims.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((claims[middle]?.first ?? 0n) < first) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
