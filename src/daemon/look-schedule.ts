/** When the kernel is looked at again: soon after a notice, when a refusal is due, later after a failure. */
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';

export interface LookScheduleOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Uniform in [0, 1). */
  random(): number;
}

/** Of the time that looking at the whole kernel takes, so many times as much passes before the next look. */
const lookSpacing = 4;
/** How often the kernel is looked at although nothing happened. */
const auditMs = 60_000;
/** In a large network a look takes long: what nothing asks for takes no more than this part of the time. */
const auditShare = 1 / 1000;
/** About: 40,000 objects, which are 10,000 peers, take 0.3 s of a processor. */
const lookMsPerObject = 0.01;
/** However long one took, as on a host that was busy with something else. */
const seldomMs = 900_000;
const failure = { firstMs: 200, maxMs: 30_000 } as const;

export class LookSchedule {
  readonly #options: LookScheduleOptions;
  #nextLookMs = 0;
  #lookMs = 0;
  #lookPlanned = false;
  #retryAtMs = Number.POSITIVE_INFINITY;
  #failed: { readonly times: number; readonly message: string; readonly untilMs: number } | undefined;

  constructor(options: LookScheduleOptions) {
    this.#options = options;
  }

  /** Why the kernel could not be read or written the last time. */
  get problem(): string | undefined {
    return this.#failed?.message;
  }

  /** True while a try that has failed is not to be repeated yet, whoever wants it. */
  get mustWait(): boolean {
    return (this.#failed?.untilMs ?? 0) > this.#options.clock.monotonicMs();
  }

  /** Milliseconds after which the kernel, with so many objects of ours, is to be looked at, should nothing happen until then. */
  auditInMs(objects: number): number {
    const wantedMs = Math.max(this.#lookMs, objects * lookMsPerObject) / auditShare;
    return Math.min(Math.max(auditMs, wantedMs), seldomMs);
  }

  /** Acts once the time has passed, unless the signal aborts first; at once for 0. */
  later(delayMs: number, act: () => void): void {
    const { clock, signal } = this.#options;
    if (signal.aborted) return;
    if (delayMs === 0) act();
    else void clock.sleep(delayMs, { signal }).then(act, () => {});
  }

  /** Notes that a look has just ended, and how long it took. */
  looked(tookMs: number): void {
    this.#lookMs = tookMs;
    this.#nextLookMs = this.#options.clock.monotonicMs() + lookSpacing * tookMs;
  }

  /** Looks soon, unless the last look was so long and so short a time ago that nothing else would be done. */
  soon(look: () => void): void {
    if (this.#lookPlanned) return;
    const delayMs = Math.max(0, this.#nextLookMs - this.#options.clock.monotonicMs());
    this.#lookPlanned = delayMs > 0;
    this.later(delayMs, () => {
      this.#lookPlanned = false;
      look();
    });
  }

  /** Looks when the first of the refusals is due; one that is due sooner takes the place of a later one. */
  retry(delayMs: number | undefined, look: () => void): void {
    if (delayMs === undefined) return;
    const atMs = this.#options.clock.monotonicMs() + delayMs;
    if (atMs >= this.#retryAtMs) return;
    this.#retryAtMs = atMs;
    this.later(Math.max(1, delayMs), () => {
      if (this.#retryAtMs !== atMs) return;
      this.#retryAtMs = Number.POSITIVE_INFINITY;
      look();
    });
  }

  succeeded(): void {
    this.#failed = undefined;
  }

  /** Plans the next try after a failure, ever later; gives the milliseconds until then. */
  failed(error: unknown, again: () => void): number {
    const { clock, random } = this.#options;
    const times = this.#failed?.times ?? 0;
    const delayMs = backoffMs(failure, times, random());
    const message = describeError(error);
    this.#failed = { times: times + 1, message, untilMs: clock.monotonicMs() + delayMs };
    this.later(delayMs, () => {
      if (this.#failed !== undefined) this.#failed = { ...this.#failed, untilMs: 0 };
      again();
    });
    return delayMs;
  }
}
