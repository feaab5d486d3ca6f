/** What the worker counts and the main thread reads: one array of doubles in shared memory. */
import type { Ability } from './abilities.ts';
import { dropReasons } from './drop-reasons.ts';

export interface TunnelCounters {
  /** Inner packets given to the underlay, and their bytes. */
  readonly sent: { readonly packets: number; readonly bytes: number };
  /** Inner packets written to the TUN device, counted as they came from the wire. */
  readonly received: { readonly packets: number; readonly bytes: number };
  /** Inner packets, or datagrams, that went nowhere, by reason; every reason is there. */
  readonly drops: Readonly<Record<string, number>>;
  /** ICMP errors that senders were told by. */
  readonly icmpErrors: number;
  /** UDP_SEGMENT messages that the kernel refused, and that went as single datagrams instead. */
  readonly segmentRefusals: number;
  /** The rung of the ladder: what is in use now. */
  readonly abilities: readonly Ability[];
}

/** Indices; below them the drops have their reason's own. */
export const counter = {
  sentPackets: 32,
  sentBytes: 33,
  receivedPackets: 34,
  receivedBytes: 35,
  icmpErrors: 36,
  segmentRefusals: 37,
} as const;

const length = 40;

/**
 * A double is read and written in one piece on the machines that Weft runs on, and counts whole numbers to 2^53.
 * Only one thread writes.
 */
export type CounterArray = Float64Array<ArrayBufferLike>;

export function createCounters(): CounterArray {
  return new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT));
}

export function readCounters(array: CounterArray, abilities: readonly Ability[]): TunnelCounters {
  const at = (index: number): number => array[index] ?? 0;
  return {
    sent: { packets: at(counter.sentPackets), bytes: at(counter.sentBytes) },
    received: { packets: at(counter.receivedPackets), bytes: at(counter.receivedBytes) },
    drops: Object.fromEntries(dropReasons.slice(1).map((reason, index) => [reason, at(index + 1)])),
    icmpErrors: at(counter.icmpErrors),
    segmentRefusals: at(counter.segmentRefusals),
    abilities,
  };
}

/** Adds to one counter, on the hot path. */
export function count(array: CounterArray, index: number, by: number): void {
  array[index] = (array[index] ?? 0) + by;
}
