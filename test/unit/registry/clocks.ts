import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../../src/base/clock.ts';

/** The machine's time. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  async sleep(milliseconds, { signal }) {
    try {
      await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
    } catch {
      signal?.throwIfAborted();
    }
  },
};

/** Time that stands still until a test moves it. */
export interface TestClock extends Clock {
  /** Lets that much time pass; whoever sleeps wakes in order, and does what it does before the next one wakes. */
  advance(milliseconds: number): Promise<void>;
}

interface Sleeper {
  readonly atMs: number;
  readonly wake: () => void;
}

export function createTestClock(): TestClock {
  let nowMs = 0;
  const sleepers = new Set<Sleeper>();
  return {
    wallMs: () => 1_763_964_000_000 + nowMs,
    monotonicMs: () => nowMs,
    sleep: (milliseconds, { signal }) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        const sleeper: Sleeper = {
          atMs: nowMs + milliseconds,
          wake: () => {
            signal?.removeEventListener('abort', abort);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', abort, { once: true });
      }),
    async advance(milliseconds) {
      const untilMs = nowMs + milliseconds;
      for (;;) {
        await quiet();
        const next = [...sleepers].sort((one, other) => one.atMs - other.atMs)[0];
        if (next === undefined || next.atMs > untilMs) break;
        nowMs = Math.max(nowMs, next.atMs);
        sleepers.delete(next);
        next.wake();
      }
      nowMs = untilMs;
    },
  };
}

/** Lets everything happen that needs no time to pass. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await new Promise(resolve => setImmediate(resolve));
}
