import type { Clock } from './clock.ts';

/** Wakes one that waits; a ring that nobody waits for is heard by the next wait. */
export class Bell {
  #rung = new AbortController();

  ring(): void {
    this.#rung.abort();
  }

  /** Resolves at a ring, after `milliseconds`, or when the signal aborts; never rejects. */
  async heard(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
    const woken = AbortSignal.any([signal, this.#rung.signal]);
    if (!woken.aborted) await clock.sleep(milliseconds, { signal: woken }).catch(() => {});
    this.#rung = new AbortController();
  }
}
