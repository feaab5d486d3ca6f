import type { Clock } from '../base/clock.ts';
import type { ObjectKey } from '../state/kernel-object.ts';
import type { Instruments } from './metrics/instruments.ts';

/** Measures how long it takes until the kernel has what is wished. All that is wished at once is done at once, or nearly: one key stands for it. */
export class WishDelays {
  readonly #clock: Clock;
  readonly #instruments: Instruments;
  readonly #sinceMs = new Map<ObjectKey, number>();

  constructor(clock: Clock, instruments: Instruments) {
    this.#clock = clock;
    this.#instruments = instruments;
  }

  /** @param sinceMs when the reason for the wish arrived, by the monotonic clock */
  wished(key: ObjectKey | undefined, sinceMs: number | undefined): void {
    if (key !== undefined && sinceMs !== undefined) this.#sinceMs.set(key, sinceMs);
  }

  carriedOut(key: ObjectKey): void {
    const sinceMs = this.#sinceMs.get(key);
    if (sinceMs === undefined) return;
    this.#sinceMs.delete(key);
    this.#instruments.eventDelay.observe((this.#clock.monotonicMs() - sinceMs) / 1000);
  }
}
