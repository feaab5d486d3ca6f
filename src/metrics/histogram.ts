import type { Distribution } from './metric.ts';

/** Counts values by size; one observation costs a few comparisons and two additions. */
export class Histogram {
  readonly #bounds: readonly number[];
  /** One for each bound, and one for what is beyond. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds upper bounds, each included, the least first */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = [...bounds, Number.POSITIVE_INFINITY].map(() => 0);
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex(bound => value <= bound);
    const index = found < 0 ? this.#bounds.length : found;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  read(): Distribution {
    let count = 0;
    const buckets = this.#bounds.map((le, index) => {
      count += this.#counts[index] ?? 0;
      return { le, count };
    });
    return { buckets, sum: this.#sum, count: count + (this.#counts.at(-1) ?? 0) };
  }
}
