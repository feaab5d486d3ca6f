/** What a daemon alone knows of itself, as it answers `/v1/status` on its control socket. */
import {
  type AnswerFields,
  addressIn,
  booleanIn,
  fieldsOf,
  listIn,
  numberIn,
  optional,
  textIn,
  wordIn,
} from './answer-fields.ts';
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
  /** While there is no lease: what was last said to be in the way of it, if anything. */
  readonly waiting: LiveTrouble | undefined;
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

/** One that comes again is still one. */
export interface LiveTrouble {
  /** When it was last told, and when first. */
  readonly atMs: number;
  readonly sinceMs: number;
  readonly count: number;
  readonly level: 'warn' | 'error';
  readonly message: string;
  readonly remedy: string | undefined;
}

/** Keys that are not known are left aside. @throws WeftError `door-refused` for what no daemon of ours would say */
export function parseLiveStatus(value: unknown): LiveStatus {
  const fields = fieldsOf(value, 'the status');
  return {
    version: textIn(fields, 'version'),
    pid: numberIn(fields, 'pid'),
    startedMs: numberIn(fields, 'startedMs'),
    ready: booleanIn(fields, 'ready'),
    reason: textIn(fields, 'reason'),
    waiting: optional(fields, 'waiting', (all, name) => troubleOf(all[name])),
    network: optional(fields, 'network', (all, name) => networkOf(fieldsOf(all[name], name))),
  };
}

function networkOf(fields: AnswerFields): LiveNetwork {
  const registry = fieldsOf(fields['registry'], 'registry');
  const lease = fieldsOf(fields['lease'], 'lease');
  const repairs = fieldsOf(fields['repairs'], 'repairs');
  const counts = fieldsOf(repairs['counts'], 'counts');
  return {
    registry: {
      connected: booleanIn(registry, 'connected'),
      staleSinceMs: optional(registry, 'staleSinceMs', numberIn),
      reconnects: numberIn(registry, 'reconnects'),
    },
    lease: {
      held: booleanIn(lease, 'held'),
      problem: textIn(lease, 'problem'),
      expiresMs: optional(lease, 'expiresMs', numberIn),
    },
    repairs: {
      counts: Object.fromEntries(Object.keys(counts).map(type => [type, numberIn(counts, type)])),
      last: listIn(repairs, 'last').map(repairOf),
    },
    troubles: listIn(fields, 'troubles').map(troubleOf),
    probes: listIn(fields, 'probes').map(probeOf),
  };
}

function repairOf(value: unknown): LiveRepair {
  const fields = fieldsOf(value, 'a repair');
  return {
    atMs: numberIn(fields, 'atMs'),
    command: textIn(fields, 'command'),
    reason: optional(fields, 'reason', textIn),
    by: optional(fields, 'by', textIn),
  };
}

function troubleOf(value: unknown): LiveTrouble {
  const fields = fieldsOf(value, 'a trouble');
  return {
    atMs: numberIn(fields, 'atMs'),
    sinceMs: numberIn(fields, 'sinceMs'),
    count: numberIn(fields, 'count'),
    level: wordIn(fields, 'level', ['warn', 'error'] as const),
    message: textIn(fields, 'message'),
    remedy: optional(fields, 'remedy', textIn),
  };
}

function probeOf(value: unknown): ProbeFacts {
  const fields = fieldsOf(value, 'a probe');
  return {
    peer: textIn(fields, 'peer'),
    family: wordIn(fields, 'family', [4, 6] as const),
    address: optional(fields, 'address', addressIn),
    verdict: wordIn(fields, 'verdict', ['answers', 'lossy', 'silent', 'unprobed'] as const),
    latencyMs: optional(fields, 'latencyMs', numberIn),
    lossRatio: optional(fields, 'lossRatio', numberIn),
    largestBytes: optional(fields, 'largestBytes', numberIn),
    wantedBytes: optional(fields, 'wantedBytes', numberIn),
    lastAnswerMs: optional(fields, 'lastAnswerMs', numberIn),
  };
}
