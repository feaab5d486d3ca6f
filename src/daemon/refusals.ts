/** Changes that the kernel refused: each object is tried again by itself, less and less often. */
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError, hasCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Applied } from '../kernel/apply.ts';
import { stepCommand } from '../state/describe.ts';
import type { Step } from '../state/diff.ts';
import type { ObjectKey } from '../state/kernel-object.ts';

/** An object that cannot be brought to its desired state for now. */
export interface Failing {
  readonly command: string;
  readonly error: string;
  readonly attempts: number;
}

export interface RefusalTools {
  readonly log: Log;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  random(): number;
}

const retry = { firstMs: 25, maxMs: 30_000 } as const;
/** The first refusal of an object is told, and then each tenth, which is one in five minutes when it lasts. */
const toldEach = 10;
/** More at once than this are told as a number. */
const toldOneByOne = 10;

export class Refusals {
  readonly failing = new Map<ObjectKey, Failing>();
  readonly #tools: RefusalTools;
  readonly #onRefusal: (error: Error) => void;
  readonly #dueMs = new Map<ObjectKey, number>();

  /** @param onRefusal told of each, which the log is not */
  constructor(tools: RefusalTools, onRefusal: (error: Error) => void = () => {}) {
    this.#tools = tools;
    this.#onRefusal = onRefusal;
  }

  /** Milliseconds until the next retry is due; undefined when there is none. */
  get nextInMs(): number | undefined {
    if (this.#dueMs.size === 0) return undefined;
    let soonest = Number.POSITIVE_INFINITY;
    for (const dueMs of this.#dueMs.values()) soonest = Math.min(soonest, dueMs);
    return Math.max(0, soonest - this.#tools.clock.monotonicMs());
  }

  /** Has this object been refused, and is it too early to try again? */
  isWaiting(key: ObjectKey): boolean {
    return (this.#dueMs.get(key) ?? 0) > this.#tools.clock.monotonicMs();
  }

  /** Takes what was refused together. */
  take(failed: Applied['failed']): void {
    if (failed.length === 0) return;
    const [now, jitter] = [this.#tools.clock.monotonicMs(), this.#tools.random()];
    const news: Refused[] = [];
    for (const { step, error } of failed) {
      this.#onRefusal(error);
      const refused = this.#take(step, error);
      this.#dueMs.set(step.key, now + backoffMs(retry, refused.attempts - 1, jitter));
      if (isNews(step, refused)) news.push(refused);
    }
    this.#tell(news);
  }

  /** It worked, or is no longer wanted. */
  resolve(key: ObjectKey): void {
    this.failing.delete(key);
    this.#dueMs.delete(key);
  }

  /** Forgets all but these. */
  keep(isWanted: (key: ObjectKey) => boolean): void {
    for (const key of this.failing.keys()) if (!isWanted(key)) this.resolve(key);
  }

  /** Circumstances have changed: everything may be tried again at once. */
  hurry(): void {
    const now = this.#tools.clock.monotonicMs();
    for (const key of this.#dueMs.keys()) this.#dueMs.set(key, now);
  }

  #tell(news: readonly Refused[]): void {
    const { log } = this.#tools;
    const [first] = news;
    if (news.length > toldOneByOne) {
      log.warn({ entries: news.length, ...first }, 'the kernel refused changes, trying again');
    } else {
      for (const refused of news) log.warn({ ...refused }, 'the kernel refused a change, trying again');
    }
  }

  #take(step: Step, error: Error): Refused {
    const { key } = step;
    const attempts = (this.failing.get(key)?.attempts ?? 0) + 1;
    const command = stepCommand(step);
    this.failing.set(key, { command, error: describeError(error), attempts });
    return { command, attempts, error };
  }
}

interface Refused {
  readonly command: string;
  readonly attempts: number;
  readonly error: Error;
}

function isNews({ object }: Step, { attempts, error }: Refused): boolean {
  const told = attempts === 1 || attempts % toldEach === 0;
  // The device's own failure speaks for what is on it.
  return told && (object.type === 'link' || !hasCode(error, 'device-missing'));
}
