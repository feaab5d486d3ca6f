import { backoffMs } from '../base/backoff.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import type { LeaseAttrs } from '../lease/lease.ts';
import type { OwnLease } from './own-lease.ts';
import type { RegistryEvent, Revision } from './registry.ts';
import type { SubnetTools } from './subnet-entries.ts';
import { reclaimLease } from './subnet-renew.ts';

export interface KeepOptions {
  /** Renew this long before expiry: from 1 to 1439 minutes, as flannel; default 60. */
  readonly marginSeconds?: number | undefined;
  readonly signal: AbortSignal;
  readonly onEvent: (event: KeepEvent) => void;
}

/** Why our lease was written. */
export type KeepReason =
  /** It was time. */
  | 'due'
  /** New attributes were published. */
  | 'published'
  /** Its key was removed or expired, or somebody had written it. */
  | 'deleted'
  | 'overwritten';

export type KeepEvent =
  | { readonly type: 'renewed'; readonly own: OwnLease; readonly why: KeepReason }
  /** The registry could not be asked; it is tried again. The lease is good until it expires. */
  | { readonly type: 'failed'; readonly error: Error; readonly retryInMs: number }
  /** Another host holds our subnet. The same subnet is tried again, for as long as it takes; never another. */
  | { readonly type: 'lost'; readonly error: WeftError; readonly retryInMs: number };

const retryBackoff = { firstMs: 1000, maxMs: 60_000 };
/** Two hosts with one address overwrite each other: the longer that lasts, the slower. */
const contestBackoff = { firstMs: 1000, maxMs: 60_000 };
const contestForgottenMs = 600_000;
/** Should a registry grant less than the margin. */
const leastIntervalMs = 1000;

/** Keeps our lease ours until the signal aborts: renews it in time, and at once when its key was touched. */
export class LeaseKeeper {
  /** Resolves when the signal has aborted and nothing is under way. Never rejects for the registry's sake. */
  readonly ended: Promise<void>;
  readonly #tools: SubnetTools;
  readonly #options: KeepOptions;
  readonly #marginMs: number;
  #own: OwnLease;
  #attrs: LeaseAttrs;
  #writtenAtMs: number;
  /** What the watch told last of our key. */
  #touched: { readonly revision: Revision; readonly how: 'deleted' | 'overwritten' } | undefined;
  #contests = 0;
  #contestedAtMs = Number.NEGATIVE_INFINITY;
  #wake = (): void => {};

  /** @throws WeftError `margin-invalid` */
  constructor(tools: SubnetTools, own: OwnLease, options: KeepOptions) {
    this.#tools = tools;
    this.#options = options;
    this.#marginMs = checkMargin(options.marginSeconds ?? 3600) * 1000;
    this.#own = own;
    this.#attrs = own.lease.attrs;
    this.#writtenAtMs = tools.clock.monotonicMs();
    this.ended = Promise.all([this.#follow(), this.#keep()]).then(() => {});
  }

  /** The lease as it was last written. */
  get own(): OwnLease {
    return this.#own;
  }

  /** Publishes other attributes for the same subnet, at once; a `renewed` event tells when that is done. */
  publish(attrs: LeaseAttrs): void {
    this.#attrs = attrs;
    this.#wake();
  }

  async #keep(): Promise<void> {
    const { signal } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const why = this.#reason();
      if (why === undefined) {
        await this.#rest(this.#untilDueMs());
      } else {
        failures = (await this.#write(why, failures)) ? 0 : failures + 1;
      }
    }
  }

  /** True when the lease is ours again; otherwise the pause before the next try has passed. */
  async #write(why: KeepReason, failures: number): Promise<boolean> {
    const { signal, onEvent } = this.#options;
    if (why === 'overwritten' && failures === 0) await this.#holdBack();
    const error = await this.#reclaim();
    if (signal.aborted) return false;
    if (error === undefined) {
      onEvent({ type: 'renewed', own: this.#own, why });
      return true;
    }
    const retryInMs = backoffMs(retryBackoff, failures, this.#tools.random());
    if (hasCode(error, 'lease-lost')) onEvent({ type: 'lost', error, retryInMs });
    else onEvent({ type: 'failed', error, retryInMs });
    await this.#rest(retryInMs);
    return false;
  }

  async #reclaim(): Promise<Error | undefined> {
    const startedAtMs = this.#tools.clock.monotonicMs();
    try {
      this.#own = await reclaimLease(this.#tools, this.#own, this.#attrs, this.#options.signal);
      this.#writtenAtMs = startedAtMs;
      return undefined;
    } catch (cause) {
      return cause instanceof Error ? cause : new Error(String(cause));
    }
  }

  /** Why the lease must be written now, or undefined. */
  #reason(): KeepReason | undefined {
    if (this.#touched !== undefined && this.#touched.revision > this.#own.revision) return this.#touched.how;
    if (this.#own.lease.attrs !== this.#attrs) return 'published';
    return this.#untilDueMs() <= 0 ? 'due' : undefined;
  }

  #untilDueMs(): number {
    const expiresAtMs = this.#own.expiresAtMonotonicMs ?? Number.POSITIVE_INFINITY;
    const dueAtMs = Math.max(expiresAtMs - this.#marginMs, this.#writtenAtMs + leastIntervalMs);
    return dueAtMs - this.#tools.clock.monotonicMs();
  }

  async #follow(): Promise<void> {
    const { key, revision } = this.#own;
    const { signal } = this.#options;
    for await (const event of this.#tools.registry.watch(key, { signal, after: revision })) {
      const touched = touchOf(key, event);
      if (touched === undefined) continue;
      this.#touched = touched;
      this.#wake();
    }
  }

  /** Waits when the key was overwritten not long ago too. */
  async #holdBack(): Promise<void> {
    const { clock, random } = this.#tools;
    if (clock.monotonicMs() - this.#contestedAtMs > contestForgottenMs) this.#contests = 0;
    if (this.#contests > 0) await this.#sleep(backoffMs(contestBackoff, this.#contests - 1, random()));
    this.#contests++;
    this.#contestedAtMs = clock.monotonicMs();
  }

  /** Sleeps, at most until something happens. */
  async #rest(milliseconds: number): Promise<void> {
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    await this.#sleep(milliseconds, woken.signal);
  }

  async #sleep(milliseconds: number, woken?: AbortSignal): Promise<void> {
    const { signal } = this.#options;
    const either = woken === undefined ? signal : AbortSignal.any([signal, woken]);
    await this.#tools.clock.sleep(Math.min(milliseconds, longestSleepMs), { signal: either }).catch(error => {
      if (!either.aborted) throw error;
    });
  }
}

/** Timers of Node take 31 bits of milliseconds. */
const longestSleepMs = 86_400_000;

function checkMargin(seconds: number): number {
  const minutes = seconds / 60;
  if (minutes >= 1 && minutes <= 1439) return seconds;
  throw new WeftError('margin-invalid', `the lease renew margin is from 1 to 1439 minutes, got ${minutes}`);
}

/** What an event says of exactly this key. */
function touchOf(
  key: string,
  event: RegistryEvent,
): { readonly revision: Revision; readonly how: 'deleted' | 'overwritten' } | undefined {
  switch (event.type) {
    case 'put':
      return event.entry.key === key ? { revision: event.entry.revision, how: 'overwritten' } : undefined;
    case 'delete':
      return event.key === key ? { revision: event.revision, how: 'deleted' } : undefined;
    case 'snapshot': {
      const entry = event.entries.find(found => found.key === key);
      return entry === undefined
        ? { revision: event.revision, how: 'deleted' }
        : { revision: entry.revision, how: 'overwritten' };
    }
    case 'state':
      return undefined;
  }
}
