/** What is due when: a binary heap, of which each operation costs the logarithm of its size. */
export class DueQueue<T> {
  readonly #times: number[] = [];
  readonly #things: T[] = [];

  get size(): number {
    return this.#times.length;
  }

  /** When the first is due; infinite when there is none. */
  get firstMs(): number {
    return this.#times[0] ?? Number.POSITIVE_INFINITY;
  }

  add(thing: T, dueMs: number): void {
    let index = this.#times.length;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (this.#time(parent) <= dueMs) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#put(index, thing, dueMs);
  }

  /** Takes the first out. */
  take(): T | undefined {
    const first = this.#things[0];
    const lastMs = this.#times.pop();
    const last = this.#things.pop();
    if (lastMs !== undefined && this.#times.length > 0) this.#sink(last as T, lastMs);
    return first;
  }

  /** Puts a thing in the place of the first, and where it belongs from there. */
  #sink(thing: T, dueMs: number): void {
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const child = this.#time(left + 1) < this.#time(left) ? left + 1 : left;
      if (this.#time(child) >= dueMs) break;
      this.#move(child, index);
      index = child;
    }
    this.#put(index, thing, dueMs);
  }

  #time(index: number): number {
    return this.#times[index] ?? Number.POSITIVE_INFINITY;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#things[from] as T, this.#time(from));
  }

  #put(index: number, thing: T, dueMs: number): void {
    this.#times[index] = dueMs;
    this.#things[index] = thing;
  }
}
