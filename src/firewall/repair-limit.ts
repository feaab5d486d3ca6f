import { backoffMs } from '../base/backoff.ts';

/**
 * How fast we repair what others undo: at once for the first few times in a minute, then ever more slowly, because
 * two programs that undo each other's work must not take a processor each.
 */
export class RepairLimit {
  #times: number[] = [];

  note(nowMs: number): void {
    this.#times = [...this.#times.filter(time => nowMs - time < windowMs), nowMs];
  }

  /** Milliseconds until the next repair may begin; 0 when nothing is unusual. */
  delayMs(nowMs: number): number {
    const recent = this.#times.filter(time => nowMs - time < windowMs);
    if (recent.length < atOnce) return 0;
    const pauseMs = backoffMs({ firstMs: 1000, maxMs: 30_000 }, recent.length - atOnce, 1);
    return Math.max(0, (recent.at(-1) ?? nowMs) + pauseMs - nowMs);
  }
}

const windowMs = 60_000;
const atOnce = 5;
