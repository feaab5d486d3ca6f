/**
 * Which peer has this address? The longest prefix wins. A look-up costs at most four steps for IPv4 and 32 for IPv6,
 * however many routes there are, and allocates nothing.
 */
import { type Prefix, prefixFamily } from '../base/prefix.ts';
import { PrefixTrie } from './prefix-trie.ts';

export class RouteTable {
  // IPv4: few, wide steps. IPv6: narrow ones, since 10,000 subnets that share little would else take 100 MB.
  readonly #four = new PrefixTrie(8);
  readonly #six = new PrefixTrie(4);

  get size(): number {
    return this.#four.size + this.#six.size;
  }

  /** Adds a route, or gives it another value. @param value an integer from 0 to 2^31 - 2 */
  set(dst: Prefix, value: number): void {
    this.#trieOf(dst).set(dst, value);
  }

  /** No matter whether it is there. */
  delete(dst: Prefix): void {
    this.#trieOf(dst).delete(dst);
  }

  /** The value of the longest prefix that contains the address, given as 32 bits; -1 for none. */
  lookup4(address: number): number {
    const { cells } = this.#four;
    let found = 0;
    let node = 0;
    let shift = 24;
    do {
      const cell = (node << 9) | (((address >>> shift) & 0xff) << 1);
      found = cells[cell] || found;
      node = cells[cell + 1] ?? 0;
      shift -= 8;
    } while (node !== 0);
    return found - 1;
  }

  /** Likewise for the 16 bytes at `offset`. */
  lookup6(view: DataView, offset: number): number {
    const { cells } = this.#six;
    let found = 0;
    let node = 0;
    let at = offset;
    do {
      const byte = view.getUint8(at++);
      const upper = (node << 5) | ((byte >>> 4) << 1);
      found = cells[upper] || found;
      node = cells[upper + 1] ?? 0;
      if (node === 0) break;
      const lower = (node << 5) | ((byte & 0xf) << 1);
      found = cells[lower] || found;
      node = cells[lower + 1] ?? 0;
    } while (node !== 0);
    return found - 1;
  }

  #trieOf(dst: Prefix): PrefixTrie {
    return prefixFamily(dst) === 4 ? this.#four : this.#six;
  }
}
