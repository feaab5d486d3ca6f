/** How long to wait before try number n: doubling from `firstMs` up to `maxMs`, with jitter. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/**
 * Milliseconds before attempt `attempt` (0 = first retry), between half and the whole of the doubled value, so
 * that many hosts that failed together do not return together.
 * @param random uniform in [0, 1)
 */
export function backoffMs(backoff: Backoff, attempt: number, random: number): number {
  const ceiling = Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling * (0.5 + random / 2));
}
