/**
 * How fast a thing may be repaired that somebody keeps changing. Repairs are immediate as long as they come no faster
 * than two a second, with room for a burst. Beyond that it is a fight: whoever undoes the repair waits longer each
 * time, so that two programs that want different things cost no more than a few changes a minute.
 */

const burst = 20;
const perSecond = 2;
const firstDelayMs = 100;
const longestDelayMs = 30_000;
/** A thing that stays right for so long is at peace. */
const calmMs = 60_000;

/** What may be done about a thing that is wrong. */
export type Verdict =
  | { readonly type: 'now' }
  /** Ask again in `delayMs`. `complain` is true once for each fight: when it begins. */
  | { readonly type: 'wait'; readonly delayMs: number; readonly complain: boolean }
  /** The wait that was imposed earlier is not over. */
  | { readonly type: 'waiting' };

interface Record {
  tokens: number;
  /** When something was last asked or allowed; tokens are counted from here. */
  atMs: number;
  /** The last wait that was imposed; 0 in peace. */
  delayMs: number;
  /** End of the wait that is going on. */
  dueMs: number | undefined;
}

export class RepairPace {
  readonly #records = new Map<string, Record>();

  /** Number of things that are remembered. */
  get size(): number {
    return this.#records.size;
  }

  /** May `what` be repaired at the time `nowMs`? A repair that is allowed is counted. */
  ask(what: string, nowMs: number): Verdict {
    const record = this.#recordOf(what, nowMs);
    if (record.dueMs !== undefined) {
      if (nowMs < record.dueMs) return { type: 'waiting' };
      record.dueMs = undefined;
      record.atMs = nowMs;
      return { type: 'now' };
    }
    record.tokens = Math.min(burst, record.tokens + ((nowMs - record.atMs) / 1000) * perSecond);
    record.atMs = nowMs;
    if (record.delayMs === 0 && record.tokens >= 1) {
      record.tokens -= 1;
      return { type: 'now' };
    }
    const complain = record.delayMs === 0;
    record.delayMs = Math.min(longestDelayMs, Math.max(firstDelayMs, record.delayMs * 2));
    record.dueMs = nowMs + record.delayMs;
    return { type: 'wait', delayMs: record.delayMs, complain };
  }

  /** Forgets what has been right for long, so that memory follows the trouble and not the network's size. */
  prune(nowMs: number): void {
    for (const [what, record] of this.#records) if (isCalm(record, nowMs)) this.#records.delete(what);
  }

  #recordOf(what: string, nowMs: number): Record {
    const known = this.#records.get(what);
    if (known !== undefined && !isCalm(known, nowMs)) return known;
    const record = { tokens: burst, atMs: nowMs, delayMs: 0, dueMs: undefined };
    this.#records.set(what, record);
    return record;
  }
}

function isCalm({ atMs, dueMs }: Record, nowMs: number): boolean {
  return nowMs - (dueMs ?? atMs) >= calmMs;
}
