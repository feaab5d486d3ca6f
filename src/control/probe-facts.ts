/** What probing has found of one peer, by family; docs/status.md and docs/metrics.md describe it. */
import type { Family, IpAddress } from '../base/ip.ts';

/**
 * `answers`: nothing was lost lately. `lossy`: some was. `silent`: nothing comes back. `unprobed`: there is no address
 * to ask, or it has not been asked yet.
 */
export type ProbeVerdict = 'answers' | 'lossy' | 'silent' | 'unprobed';

export interface ProbeFacts {
  /** As in the registry: `10.2.14.0-24`. */
  readonly peer: string;
  readonly family: Family;
  /** Whom the probes are sent to: the peer's tunnel device, or the peer itself where no tunnel is. */
  readonly address: IpAddress | undefined;
  readonly verdict: ProbeVerdict;
  /** Of the last answer; undefined while there was none. */
  readonly latencyMs: number | undefined;
  /** Of the last probes, 0 to 1; undefined while none has been waited for. */
  readonly lossRatio: number | undefined;
  /** The largest packet that passed both ways, and the one that should: inner IP packets. Undefined: not known yet. */
  readonly largestBytes: number | undefined;
  readonly wantedBytes: number | undefined;
  /** Unix time in milliseconds; undefined: it has never answered. */
  readonly lastAnswerMs: number | undefined;
}
