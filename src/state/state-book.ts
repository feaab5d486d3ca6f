/**
 * The state that is wished and the state that is there, in little more memory than one of them takes: what is there as
 * wished is kept once. With ten thousand peers the two are equal but for a handful of objects, nearly always.
 */
import { compare } from './compare.ts';
import type { KernelObject, KernelState, ObjectKey } from './kernel-object.ts';

export class StateBook {
  readonly #desired = new Map<ObjectKey, KernelObject>();
  /** Wished, and not there. */
  readonly #missing = new Set<ObjectKey>();
  /** There, and not as wished, or not wished at all. */
  readonly #otherwise = new Map<ObjectKey, KernelObject>();

  get desired(): KernelState {
    return this.#desired;
  }

  /** What is there under this key; what serves as the wish is given as the wish. */
  actual(key: ObjectKey): KernelObject | undefined {
    const other = this.#otherwise.get(key);
    if (other !== undefined || this.#missing.has(key)) return other;
    return this.#desired.get(key);
  }

  /** All that is there, by key. */
  *actuals(): Generator<readonly [ObjectKey, KernelObject], void, void> {
    for (const entry of this.#desired) if (!this.differs(entry[0])) yield entry;
    yield* this.#otherwise;
  }

  /** Is what is there something else than the wish? */
  differs(key: ObjectKey): boolean {
    return this.#missing.has(key) || this.#otherwise.has(key);
  }

  /** Calls `visit` with the key of each difference. */
  eachDifference(visit: (key: ObjectKey) => void): void {
    this.#missing.forEach(visit);
    for (const key of this.#otherwise.keys()) visit(key);
  }

  /** Wishes for the object; what is there stays what it is. */
  want(key: ObjectKey, object: KernelObject): void {
    const isNew = !this.#desired.has(key);
    const there = isNew ? this.#otherwise.get(key) : this.actual(key);
    this.#desired.set(key, object);
    if (isNew && there === undefined) this.#missing.add(key);
    else this.see(key, there);
  }

  /** Wishes for nothing under this key any more; gives what was wished. */
  unwant(key: ObjectKey): KernelObject | undefined {
    const [wish, there] = [this.#desired.get(key), this.actual(key)];
    this.#desired.delete(key);
    this.see(key, there);
    return wish;
  }

  /** Notes what is there under this key; undefined: nothing. */
  see(key: ObjectKey, object: KernelObject | undefined): void {
    const wish = this.#desired.get(key);
    if (object === undefined && wish !== undefined) this.#missing.add(key);
    else this.#missing.delete(key);
    if (object === undefined || serves(wish, object)) this.#otherwise.delete(key);
    else this.#otherwise.set(key, object);
  }

  /** Takes `state` for all there is, without what is neither wished nor `ours`. */
  seeAll(state: KernelState, ours: (object: KernelObject) => boolean): void {
    this.#otherwise.clear();
    for (const key of this.#desired.keys()) if (!state.has(key)) this.#missing.add(key);
    for (const [key, object] of state) if (this.#desired.has(key) || ours(object)) this.see(key, object);
  }
}

/** One and the same object serves without a closer look: most that is seen is given back as the wish itself. */
function serves(wish: KernelObject | undefined, object: KernelObject): boolean {
  return wish === object || (wish !== undefined && compare(wish, object).length === 0);
}
