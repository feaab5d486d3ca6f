import { ipToBytes } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixLength, prefixOf } from '../base/prefix.ts';

/**
 * A multibit trie of one family's prefixes, in one array of numbers. A node stands for the bits that lead to it, and
 * has two cells for each value of the next `stride` bits:
 *
 *     [2n]      value + 1 of the longest prefix that ends within these bits; 0: none does
 *     [2n + 1]  the node of the bits after these; 0: there is none (node 0 is the root, nobody's child)
 *
 * So a route changes one node only, and a look-up keeps the last value that it meets on its way down.
 */
export class PrefixTrie {
  readonly #stride: number;
  readonly #nodeCells: number;
  readonly #values = new Map<Prefix, number>();
  #cells: Int32Array;
  /** For each pair of cells the length of the prefix whose value it holds. */
  #lengths: Uint8Array;
  /** For each node the routes that end in it and its children: without any, it is given back. */
  #holders: Int32Array;
  readonly #free: number[] = [];
  #nodes = 1;

  /** @param stride bits a step, a divisor of 8 */
  constructor(stride: number) {
    this.#stride = stride;
    this.#nodeCells = 2 << stride;
    this.#cells = new Int32Array(this.#nodeCells);
    this.#lengths = new Uint8Array(this.#nodeCells / 2);
    this.#holders = new Int32Array(1);
  }

  get size(): number {
    return this.#values.size;
  }

  /** For look-ups. Every change may make it another array. */
  get cells(): Int32Array {
    return this.#cells;
  }

  /** Adds a route, or gives it another value. */
  set(dst: Prefix, value: number): void {
    const known = this.#values.has(dst);
    this.#values.set(dst, value);
    const path = this.#pathTo(dst);
    const node = path.at(-1) ?? 0;
    if (!known) this.#hold(node);
    const length = prefixLength(dst);
    for (const pair of this.#pairsOf(dst, node)) {
      if ((this.#lengths[pair] ?? 0) <= length) this.#write(pair, value, length);
    }
  }

  /** No matter whether it is there. */
  delete(dst: Prefix): void {
    if (!this.#values.delete(dst)) return;
    const path = this.#pathTo(dst);
    const length = prefixLength(dst);
    const heir = this.#heirOf(dst);
    for (const pair of this.#pairsOf(dst, path.at(-1) ?? 0)) {
      if (this.#lengths[pair] === length) this.#write(pair, heir.value, heir.length);
    }
    this.#release(path);
  }

  /** The steps, from 0, before the one within whose bits the prefix ends. */
  #depthOf(dst: Prefix): number {
    return Math.max(0, Math.ceil(prefixLength(dst) / this.#stride) - 1);
  }

  /** The bits of the address that the step at `depth` looks at. */
  #bitsAt(address: Uint8Array, depth: number): number {
    const bit = depth * this.#stride;
    const byte = address[bit >> 3] ?? 0;
    return (byte >> (8 - this.#stride - (bit & 7))) & ((1 << this.#stride) - 1);
  }

  /** The nodes from the root to the one in which the prefix ends, made where they are missing. */
  #pathTo(dst: Prefix): number[] {
    const address = ipToBytes(prefixBase(dst));
    const path = [0];
    for (let node = 0, depth = 0; depth < this.#depthOf(dst); depth++) {
      const link = node * this.#nodeCells + this.#bitsAt(address, depth) * 2 + 1;
      const child = this.#cells[link] || this.#makeNode();
      if (this.#cells[link] === 0) this.#hold(node);
      this.#cells[link] = child;
      path.push(child);
      node = child;
    }
    return path;
  }

  /** The pairs of the node that the prefix covers. */
  *#pairsOf(dst: Prefix, node: number): Generator<number> {
    const depth = this.#depthOf(dst);
    const first = this.#bitsAt(ipToBytes(prefixBase(dst)), depth);
    const count = 1 << ((depth + 1) * this.#stride - prefixLength(dst));
    for (let bits = first; bits < first + count; bits++) yield (node * this.#nodeCells) / 2 + bits;
  }

  /** Who takes over what a deleted prefix held: the longest that covers it and ends in the same node. */
  #heirOf(dst: Prefix): { value: number; length: number } {
    const base = prefixBase(dst);
    const shortest = this.#depthOf(dst) === 0 ? 0 : this.#depthOf(dst) * this.#stride + 1;
    for (let length = prefixLength(dst) - 1; length >= shortest; length--) {
      const value = this.#values.get(prefixOf(base, length));
      if (value !== undefined) return { value, length };
    }
    return { value: -1, length: 0 };
  }

  #write(pair: number, value: number, length: number): void {
    this.#cells[pair * 2] = value + 1;
    this.#lengths[pair] = length;
  }

  #hold(node: number): void {
    this.#holders[node] = (this.#holders[node] ?? 0) + 1;
  }

  /** One holder less of the last node; nodes that nobody holds any more are cut off. */
  #release(path: number[]): void {
    for (;;) {
      const node = path.pop() ?? 0;
      const holders = (this.#holders[node] ?? 0) - 1;
      this.#holders[node] = holders;
      const parent = path.at(-1);
      if (holders > 0 || parent === undefined) return;
      const links = this.#cells.subarray(parent * this.#nodeCells, (parent + 1) * this.#nodeCells);
      for (let at = 1; at < links.length; at += 2) if (links[at] === node) links[at] = 0;
      this.#free.push(node);
    }
  }

  /** All its cells are 0. */
  #makeNode(): number {
    const node = this.#free.pop() ?? this.#nodes++;
    if (node >= this.#holders.length) this.#double();
    return node;
  }

  #double(): void {
    const [cells, lengths, holders] = [this.#cells, this.#lengths, this.#holders];
    this.#cells = new Int32Array(cells.length * 2);
    this.#lengths = new Uint8Array(lengths.length * 2);
    this.#holders = new Int32Array(holders.length * 2);
    this.#cells.set(cells);
    this.#lengths.set(lengths);
    this.#holders.set(holders);
  }
}
