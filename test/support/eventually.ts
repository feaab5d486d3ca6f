/**
 * Waiting for the world: asks again and again until the answer is there. Tests wait for conditions, never for a
 * time, so that a slow machine only makes them slower.
 */
import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** 30 seconds unless given: generous, because only a failing test spends it. */
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Resolves with the first answer of `check` that is neither false nor undefined; a `check` that throws is asked again.
 * @param what completes the sentence "waited for ..."
 * @throws Error naming `what`, with the last thing that `check` threw as its cause; or the signal's reason
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, false | undefined>> {
  const { timeoutMs = 30_000, intervalMs = 25, signal } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { answer, cause } = await attempt(check);
    if (answer !== undefined) return answer;
    // Only now: what comes about together with the abort still counts.
    signal?.throwIfAborted();
    if (performance.now() >= deadline) {
      const last = cause instanceof Error ? `; the last try said: ${cause.message}` : '';
      throw new Error(`waited ${timeoutMs} ms for ${what}${last}`, { cause });
    }
    await sleep(intervalMs, undefined, signal === undefined ? {} : { signal }).catch(() => {});
  }
}

async function attempt<T>(
  check: () => T | Promise<T>,
): Promise<{ answer?: Exclude<T, false | undefined>; cause?: unknown }> {
  try {
    const answer = await check();
    return answer === false || answer === undefined
      ? {}
      : { answer: answer as Exclude<T, false | undefined> };
  } catch (cause) {
    return { cause };
  }
}
