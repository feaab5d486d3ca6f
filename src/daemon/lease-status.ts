import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { KeepEvent, KeepReason } from '../registry/lease-keeper.ts';
import type { OwnLease } from '../registry/own-lease.ts';

/** How our own lease stands, from what its keeper tells. */
export class LeaseStatus {
  readonly #log: Log;
  readonly #clock: Clock;
  #own: OwnLease;
  #problem = '';
  #failures = 0;
  readonly #renewals = new Map<KeepReason, number>();

  constructor(own: OwnLease, { log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
    this.#own = own;
  }

  /** Why the lease is not ours for sure; '' when it is. */
  get problem(): string {
    if (this.#problem !== '') return this.#problem;
    return this.remainingMs > 0 ? '' : 'the subnet lease has expired';
  }

  /** Until it expires; negative afterwards, and infinite when it is permanent. */
  get remainingMs(): number {
    const { expiresAtMonotonicMs = Number.POSITIVE_INFINITY } = this.#own;
    return expiresAtMonotonicMs - this.#clock.monotonicMs();
  }

  get permanent(): boolean {
    return this.#own.lease.permanent;
  }

  /** How often it has been written, by reason. */
  get renewals(): ReadonlyMap<KeepReason, number> {
    return this.#renewals;
  }

  /** How often it could not be written. */
  get failures(): number {
    return this.#failures;
  }

  take(event: KeepEvent): void {
    if (event.type === 'renewed') {
      this.#own = event.own;
      this.#problem = '';
      this.#renewals.set(event.why, (this.#renewals.get(event.why) ?? 0) + 1);
      this.#log.info({ why: event.why }, `renewed the lease of ${describeSubnet(event.own.lease.subnet)}`);
      return;
    }
    const { error, retryInMs } = event;
    this.#failures++;
    const remedy = 'remedy' in error ? error.remedy : undefined;
    if (event.type === 'failed') {
      if (event.why === 'deleted' || event.why === 'overwritten') {
        this.#problem = `the subnet lease was ${event.why}, and could not be written again: ${describeError(error)}`;
      }
      this.#log.warn({ error, remedy, retryInMs }, 'the lease could not be renewed, trying again');
      return;
    }
    this.#problem = describeError(error);
    this.#log.error({ error, remedy, retryInMs }, 'LOST THE SUBNET: containers stay as they are');
  }
}
