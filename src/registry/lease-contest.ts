import { type Backoff, backoffMs } from '../base/backoff.ts';
import type { Lease, LeaseAttrs } from '../lease/lease.ts';
import { formatLeaseAttrs } from '../lease/lease-attrs.ts';
import { publishedBy } from './own-lease.ts';

/**
 * Two hosts with one public address share one key, and each takes the other's writing for a mistake:
 *
 *     1st overwriting    we write again at once: a slip, or the other host must learn of us
 *     2nd                a contest, which is told; we write again after a pause, so that the other tells it too
 *     from the 3rd on    one of the two gives in and leaves the key as it is, so that peers see one lease
 *
 * It is forgotten when nobody has written for ten minutes.
 */
export class LeaseContest {
  #writings = 0;
  #writtenAtMs = Number.NEGATIVE_INFINITY;

  /** Counts one more overwriting of our key. */
  note(nowMs: number): void {
    if (nowMs - this.#writtenAtMs > forgottenMs) this.#writings = 0;
    this.#writings++;
    this.#writtenAtMs = nowMs;
  }

  /** True once, when it has become one. */
  get begins(): boolean {
    return this.#writings === 2;
  }

  /** True when one of the two has to give in. */
  get lasts(): boolean {
    return this.#writings > 2;
  }

  /** How long to wait before writing again. */
  pauseMs(random: number): number {
    return this.#writings < 2 ? 0 : backoffMs(pause, this.#writings - 2, random);
  }
}

const pause: Backoff = { firstMs: 1000, maxMs: 60_000 };
const forgottenMs = 600_000;

/** True when the lease under our key is by another host that takes our public address for its own. */
export function isRival(ours: Lease, found: Lease): boolean {
  // Without a TTL while ours has one: an operator makes it a reservation.
  return publishedBy(ours.attrs, found.attrs) && found.permanent === ours.permanent;
}

/**
 * Which of the two gives in must be the same for both: the one with the greater lease; both, when there is no
 * difference. Nobody gives in to a lease that leads peers nowhere.
 */
export function givesIn(ours: LeaseAttrs, theirs: LeaseAttrs): boolean {
  const alike =
    theirs.backendType === ours.backendType &&
    hasData(theirs.backendData) === hasData(ours.backendData) &&
    hasData(theirs.backendV6Data) === hasData(ours.backendV6Data);
  return alike && formatLeaseAttrs(theirs) <= formatLeaseAttrs(ours);
}

function hasData(data: LeaseAttrs['backendData']): boolean {
  return data !== undefined && data !== null;
}
