import type { Log } from '../base/log.ts';
import {
  isTight,
  type KernelDemand,
  type KernelFacts,
  type KernelLimit,
  limitsFor,
} from '../state/kernel-limits.ts';

export interface LimitsWatchOptions {
  readonly log: Log;
  /** What the network wants now; asked for seldom, so it may be a look at every peer. */
  demand(): KernelDemand;
  facts(): KernelFacts;
}

/** Chosen: between two looks at the limits the number of peers grows by so much; a look at n peers is then paid by n/10 events. */
const growth = 1.1;
const fewestPeers = 100;

/** Warns once of each table of the kernel that the peers make too full, before it is. */
export class LimitsWatch {
  readonly #options: LimitsWatchOptions;
  readonly #told = new Set<string>();
  /** The number of peers at which to look again. */
  #lookAt = fewestPeers;

  constructor(options: LimitsWatchOptions) {
    this.#options = options;
  }

  /** The peers are so many now. */
  take(peers: number): void {
    if (peers < this.#lookAt) return;
    this.#lookAt = Math.ceil(peers * growth);
    const { log, demand, facts } = this.#options;
    for (const limit of limitsFor(demand(), facts())) {
      const { what, wanted, allowed } = limit;
      if (!isTight(limit) || this.#told.has(what)) continue;
      this.#told.add(what);
      log.warn({ wanted, allowed, remedy: remedyFor(limit) }, `${describeLimit(limit)}, then ${limit.harm}`);
    }
  }
}

function describeLimit({ what, wanted, allowed }: KernelLimit): string {
  return `the network wants ${wanted} ${what} of this kernel, which allows ${allowed}`;
}

/** `sysctl -w net.ipv4.neigh.default.gc_thresh3=4096 ...; and for good in /etc/sysctl.d`. */
function remedyFor({ settings }: KernelLimit): string {
  const words = settings.map(({ key, value }) => `${key.replaceAll('/', '.')}=${value}`);
  return `sysctl -w ${words.join(' ')} (and the same in /etc/sysctl.d, to last)`;
}
