import type { Clock } from '../base/clock.ts';
import { giveMemoryBack } from '../sys/heap.ts';
import { keysPerTurn } from './dirty-keys.ts';

/** After so many objects, what dealing with them left in memory is worth the time to give it back: a moment later, and rarely. */
const muchWork = 8 * keysPerTurn;
const rest = { afterMs: 1000, spacingMs: 30_000 } as const;

/** Gives memory back after much work; see docs/adr/0023-what-a-start-costs.md. */
export class HeapRest {
  readonly #clock: Clock;
  readonly #later: (delayMs: number, act: () => void) => void;
  /** Objects dealt with since memory was last given back, and when that was. */
  #worked = 0;
  #restedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, later: (delayMs: number, act: () => void) => void) {
    this.#clock = clock;
    this.#later = later;
  }

  /** Notes that so many objects were dealt with. */
  worked(objects: number): void {
    this.#worked += objects;
  }

  /** To be told when nothing is left to do. */
  idle(): void {
    if (this.#worked < muchWork) return;
    const nowMs = this.#clock.monotonicMs();
    this.#worked = 0;
    this.#restedMs = Math.max(nowMs + rest.afterMs, this.#restedMs + rest.spacingMs);
    this.#later(this.#restedMs - nowMs, giveMemoryBack);
  }
}
