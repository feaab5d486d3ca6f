/** What a daemon alone knows of itself, as it answers `/v1/status` on its control socket. */
import type { ProbeFacts } from './probe-facts.ts';

export const statusQuestion = '/v1/status';

/** Times are Unix time in milliseconds. */
export interface LiveStatus {
  readonly version: string;
  readonly pid: number;
  readonly startedMs: number;
  readonly ready: boolean;
  /** Why not; '' when it is. */
  readonly reason: string;
  /** Undefined while there is no lease. */
  readonly network: LiveNetwork | undefined;
}

export interface LiveNetwork {
  readonly registry: {
    readonly connected: boolean;
    /** Since when what is known may be stale. */
    readonly staleSinceMs: number | undefined;
    readonly reconnects: number;
  };
  readonly lease: {
    /** Neither expired nor lost. */
    readonly held: boolean;
    readonly problem: string;
    /** Undefined: it is permanent. */
    readonly expiresMs: number | undefined;
  };
  readonly repairs: {
    /** By kind of object: `route`, `fdb`, ... */
    readonly counts: Readonly<Record<string, number>>;
    /** The newest first. */
    readonly last: readonly LiveRepair[];
  };
  /** Of the log's warnings and errors, the newest first. */
  readonly troubles: readonly LiveTrouble[];
  readonly probes: readonly ProbeFacts[];
}

export interface LiveRepair {
  readonly atMs: number;
  /** As iproute2 would be told. */
  readonly command: string;
  readonly reason: string | undefined;
  /** Who undid it, as far as the kernel tells: `pid 59047`. */
  readonly by: string | undefined;
}

export interface LiveTrouble {
  readonly atMs: number;
  readonly level: 'warn' | 'error';
  readonly message: string;
}

/** @throws WeftError `door-refused` for what no daemon of ours would say */
export function parseLiveStatus(value: unknown): LiveStatus {
  // Its own reader comes with the daemon's answer.
  return value as LiveStatus;
}
