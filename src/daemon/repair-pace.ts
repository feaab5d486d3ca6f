/**
 * How fast an object may be repaired that somebody keeps changing. The first repairs are immediate; who takes the
 * same thing away again and again within the window waits longer each time, so that two programs that want
 * different things cost no more than a few changes a minute.
 */
import type { ObjectKey } from '../state/kernel-object.ts';

const windowMs = 60_000;
const freeRepairs = 5;
const firstDelayMs = 100;
const longestDelayMs = 30_000;

interface Record {
  readonly times: number[];
  told: boolean;
}

export class RepairPace {
  readonly #records = new Map<ObjectKey, Record>();

  /**
   * Counts a repair that is wanted now.
   * @returns milliseconds to wait before it is made, and whether this is the moment to complain
   */
  ask(key: ObjectKey, nowMs: number): { readonly delayMs: number; readonly complain: boolean } {
    const record = this.#records.get(key) ?? { times: [], told: false };
    this.#records.set(key, record);
    while ((record.times[0] ?? Number.POSITIVE_INFINITY) <= nowMs - windowMs) record.times.shift();
    if (record.times.length === 0) record.told = false;
    record.times.push(nowMs);
    const excess = record.times.length - freeRepairs;
    if (excess <= 0) return { delayMs: 0, complain: false };
    const complain = !record.told;
    record.told = true;
    return { delayMs: Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(excess - 1, 20)), complain };
  }

  /** Forgets what has been quiet, so that memory follows the trouble and not the network's size. */
  prune(nowMs: number): void {
    for (const [key, { times }] of this.#records) {
      if ((times.at(-1) ?? 0) <= nowMs - windowMs) this.#records.delete(key);
    }
  }
}
