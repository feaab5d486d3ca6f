import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { KeepEvent } from '../registry/lease-keeper.ts';
import type { OwnLease } from '../registry/own-lease.ts';

/** How our own lease stands, from what its keeper tells. */
export class LeaseStatus {
  readonly #log: Log;
  readonly #clock: Clock;
  #expiresAtMs: number;
  #problem = '';

  constructor(own: OwnLease, { log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
    this.#expiresAtMs = expiryOf(own);
  }

  /** Why the lease is not ours for sure; '' when it is. */
  get problem(): string {
    if (this.#problem !== '') return this.#problem;
    return this.#clock.monotonicMs() < this.#expiresAtMs ? '' : 'the subnet lease has expired';
  }

  take(event: KeepEvent): void {
    if (event.type === 'renewed') {
      this.#expiresAtMs = expiryOf(event.own);
      this.#problem = '';
      this.#log.info({ why: event.why }, `renewed the lease of ${describeSubnet(event.own.lease.subnet)}`);
      return;
    }
    const { error, retryInMs } = event;
    const remedy = 'remedy' in error ? error.remedy : undefined;
    if (event.type === 'failed') {
      this.#log.warn({ error, remedy, retryInMs }, 'the lease could not be renewed, trying again');
      return;
    }
    this.#problem = describeError(error);
    this.#log.error({ error, remedy, retryInMs }, 'LOST THE SUBNET: containers stay as they are');
  }
}

function expiryOf(own: OwnLease): number {
  return own.expiresAtMonotonicMs ?? Number.POSITIVE_INFINITY;
}
