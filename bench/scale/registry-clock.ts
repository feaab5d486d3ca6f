import type { Clock } from '../../src/base/clock.ts';

/** The machine's time, which can be set forward: whoever sleeps past that moment wakes. */
export interface ShiftedClock extends Clock {
  shift(milliseconds: number): void;
}

interface Sleeper {
  readonly untilMs: number;
  readonly wake: () => void;
}

/** Timers of Node take 31 bits of milliseconds. */
const longestTimerMs = 2 ** 31 - 1;

export function createShiftedClock(): ShiftedClock {
  let offsetMs = 0;
  const sleepers = new Set<Sleeper>();
  const monotonicMs = () => performance.now() + offsetMs;
  return {
    wallMs: () => Date.now() + offsetMs,
    monotonicMs,
    sleep: (milliseconds, { signal }) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const end = (): void => {
          clearTimeout(timer);
          sleepers.delete(sleeper);
          signal?.removeEventListener('abort', abort);
        };
        const wake = (): void => {
          end();
          resolve();
        };
        const abort = (): void => {
          end();
          reject(signal?.reason);
        };
        const timer = setTimeout(wake, Math.min(milliseconds, longestTimerMs));
        const sleeper: Sleeper = { untilMs: monotonicMs() + milliseconds, wake };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', abort, { once: true });
      }),
    shift(milliseconds) {
      offsetMs += milliseconds;
      const nowMs = monotonicMs();
      for (const sleeper of sleepers) if (sleeper.untilMs <= nowMs) sleeper.wake();
    },
  };
}
