import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';

/** The machine's own clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(milliseconds, { signal }) {
    try {
      await setTimeout(milliseconds, undefined, { signal });
    } catch (error) {
      // Node rejects with an AbortError of its own; the reason says more.
      throw signal?.aborted === true ? signal.reason : error;
    }
  },
};
