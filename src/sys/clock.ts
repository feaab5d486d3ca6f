import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';

/** The machine's own clocks. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (milliseconds, { signal }) => setTimeout(milliseconds, undefined, { signal }),
};
