import { type Backoff, backoffMs } from '../base/backoff.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, LeaseAttrs } from '../lease/lease.ts';
import { formatLeaseAttrs } from '../lease/lease-attrs.ts';
import { givesIn, isRival, LeaseContest } from './lease-contest.ts';
import { contradicts, type Touch, touchOf } from './lease-touch.ts';
import { describeIdentity, type OwnLease } from './own-lease.ts';
import type { Revision } from './registry.ts';
import { readSubnetEntry, type SubnetTools } from './subnet-entries.ts';
import { reclaimLease } from './subnet-renew.ts';

export interface KeepOptions {
  /** Renew this long before expiry at the latest: from 1 to 1439 minutes, as flannel; default 60. */
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
  /**
   * The registry could not be asked, or refused; it is tried again. The lease is good until it expires, unless its key
   * was `deleted` or `overwritten`: then peers do not see it as it is.
   */
  | {
      readonly type: 'failed';
      readonly why: KeepReason;
      readonly error: Error;
      readonly retryInMs: number;
    }
  /** Another host holds our subnet. The same subnet is tried again, for as long as it takes; never another. */
  | { readonly type: 'lost'; readonly error: WeftError; readonly retryInMs: number };

/** For a lease that is still good, and for a subnet that another host holds. */
const retryBackoff: Backoff = { firstMs: 1000, maxMs: 60_000 };
/** For a key that is not as it must be: peers follow it. */
const urgentBackoff: Backoff = { firstMs: 1000, maxMs: 10_000 };
/** Should a registry grant less than the margin. */
const leastIntervalMs = 1000;
/**
 * Chosen: the part of the time until a renewal is due by which it may come earlier, at random. Hosts that were started in
 * the same minute would else renew in the same minute, each day anew (docs/scale.md); flannel's do.
 */
const earlyRatio = 0.1;

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
  /** In [0, 1), drawn for each writing: how much of {@link earlyRatio} is used. */
  #early: number;
  /** What the watch told last of our key. */
  #touched: Touch | undefined;
  /** True when the registry has gone back behind our last write (a restored backup): revisions say nothing then. */
  #rewound = false;
  readonly #contest = new LeaseContest();
  /** What a rival wrote and we leave as it is. */
  #conceded: Revision | undefined;
  /** True while the fate of our last write is not known: what looks like another's may be our own. */
  #unsure = false;
  /** True when something has happened since the last decision. */
  #news = false;
  #wake = (): void => {};

  /** @throws WeftError `margin-invalid` */
  constructor(tools: SubnetTools, own: OwnLease, options: KeepOptions) {
    this.#tools = tools;
    this.#options = options;
    this.#marginMs = checkMargin(options.marginSeconds ?? 3600) * 1000;
    this.#own = own;
    this.#attrs = own.lease.attrs;
    this.#writtenAtMs = tools.clock.monotonicMs();
    this.#early = tools.random();
    this.ended = Promise.all([this.#follow(), this.#keep()]).then(() => {});
  }

  /** The lease as it was last written. */
  get own(): OwnLease {
    return this.#own;
  }

  /** Publishes other attributes for the same subnet, at once; a `renewed` event tells when that is done. */
  publish(attrs: LeaseAttrs): void {
    this.#attrs = attrs;
    this.#notice();
  }

  #notice(): void {
    this.#news = true;
    this.#wake();
  }

  async #keep(): Promise<void> {
    const { signal } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      this.#news = false;
      const why = this.#reason();
      if (why === undefined) {
        await this.#rest(this.#untilDueMs());
      } else {
        failures = (await this.#write(why, failures)) ? 0 : failures + 1;
      }
    }
  }

  /** True when the lease is as it shall be; otherwise the pause before the next try has passed. */
  async #write(why: KeepReason, failures: number): Promise<boolean> {
    const { signal, onEvent } = this.#options;
    if (why === 'overwritten' && failures === 0 && (await this.#concede())) return true;
    const error = await this.#reclaim();
    if (signal.aborted) return false;
    if (error === undefined) {
      onEvent({ type: 'renewed', own: this.#own, why });
      return true;
    }
    const lost = hasCode(error, 'lease-lost');
    const backoff = lost || why === 'due' ? retryBackoff : urgentBackoff;
    const retryInMs = backoffMs(backoff, failures, this.#tools.random());
    onEvent(lost ? { type: 'lost', error, retryInMs } : { type: 'failed', why, error, retryInMs });
    await this.#rest(retryInMs);
    return false;
  }

  async #reclaim(): Promise<Error | undefined> {
    const startedAtMs = this.#tools.clock.monotonicMs();
    const rewound = this.#rewound;
    this.#rewound = false;
    try {
      this.#own = await reclaimLease(this.#tools, this.#own, this.#attrs, this.#options.signal);
      this.#writtenAtMs = startedAtMs;
      this.#early = this.#tools.random();
      this.#unsure = false;
      return undefined;
    } catch (cause) {
      this.#rewound ||= rewound;
      this.#unsure ||= !hasCode(cause, 'lease-lost');
      return cause instanceof Error ? cause : new Error(String(cause));
    }
  }

  /** Why the lease must be written now, or undefined. */
  #reason(): KeepReason | undefined {
    const touched = this.#touched;
    const isNewer = this.#rewound || (touched !== undefined && touched.revision > this.#own.revision);
    if (touched !== undefined && isNewer && touched.revision !== this.#conceded) return touched.how;
    if (this.#own.lease.attrs !== this.#attrs) return 'published';
    return this.#untilDueMs() <= 0 ? 'due' : undefined;
  }

  #untilDueMs(): number {
    const expiresAtMs = this.#own.expiresAtMonotonicMs ?? Number.POSITIVE_INFINITY;
    const intervalMs = (expiresAtMs - this.#marginMs - this.#writtenAtMs) * (1 - earlyRatio * this.#early);
    return this.#writtenAtMs + Math.max(intervalMs, leastIntervalMs) - this.#tools.clock.monotonicMs();
  }

  async #follow(): Promise<void> {
    const { key } = this.#own;
    const { signal } = this.#options;
    // From a snapshot on, so that the watch knows the entry again after an outage.
    for await (const event of this.#tools.registry.watch(key, { signal })) {
      const touched = touchOf(key, event);
      if (touched !== undefined) this.#touched = touched;
      if (event.type === 'snapshot') this.#rewound ||= contradicts(touched, this.#own.revision);
      if (touched !== undefined || (event.type === 'state' && event.connected)) this.#notice();
    }
  }

  /** True when our key is to stay as a rival has written it; else the pause before we write it has passed. */
  async #concede(): Promise<boolean> {
    const { clock, random } = this.#tools;
    const touched = this.#touched;
    const theirs = touched && this.#rivalOf(touched);
    if (this.#rewound || (this.#unsure && theirs && isEqual(theirs.attrs, this.#attrs))) return false;
    this.#contest.note(clock.monotonicMs());
    if (theirs !== undefined && this.#contest.begins) this.#tellOf(theirs);
    if (theirs !== undefined && this.#contest.lasts && givesIn(this.#attrs, theirs.attrs)) {
      this.#conceded = touched?.revision;
      return true;
    }
    await this.#sleep(this.#contest.pauseMs(random()));
    return false;
  }

  #rivalOf({ entry }: Touch): Lease | undefined {
    const found = entry && readSubnetEntry(entry, this.#tools.warnOnce)?.lease;
    return found !== undefined && isRival(this.#own.lease, found) ? found : undefined;
  }

  #tellOf({ subnet, attrs }: Lease): void {
    const { log, registry } = this.#tools;
    const us = describeIdentity(this.#attrs);
    const remedy = `give each host an address of its own (-public-ip, -iface), or end the one that has no right to ${us}`;
    const fields = { ours: formatLeaseAttrs(this.#attrs), theirs: formatLeaseAttrs(attrs), remedy };
    log.error(
      fields,
      `ANOTHER HOST PUBLISHES OUR ADDRESS ${us}, and writes our lease of ${describeSubnet(subnet)} in ${registry.name} whenever we do: peers reach one of us only`,
    );
  }

  /** Sleeps, at most until something happens. */
  async #rest(milliseconds: number): Promise<void> {
    if (this.#news) return;
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

function isEqual(one: LeaseAttrs, other: LeaseAttrs): boolean {
  return formatLeaseAttrs(one) === formatLeaseAttrs(other);
}
