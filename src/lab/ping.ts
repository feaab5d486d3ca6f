import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { type EchoReply, EchoSocket } from '../sys/echo-socket.ts';

export interface PingOptions {
  /** Path of the network namespace to send from. */
  readonly netns: string;
  readonly destination: IpAddress;
  readonly count: number;
  readonly intervalMs: number;
  /** How long the last answer may take. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PingReport {
  readonly sent: number;
  /** Round trips of what was answered, in the order of the answers. */
  readonly roundTripsMs: readonly number[];
  /** Time to live of the last answer as it came in; undefined without any, and in IPv6. */
  readonly ttl: number | undefined;
  /** Why sending failed at last, if it did. */
  readonly failure: string | undefined;
}

/** As `ping` sends by default: an ICMP message of 64 bytes. */
export const pingPayloadBytes = 56;

/**
 * `ping -c COUNT DESTINATION`, without the program. What cannot be sent counts as lost.
 * @throws WeftError as of {@link EchoSocket.open}; the signal's reason
 */
export async function ping(options: PingOptions): Promise<PingReport> {
  const { destination, count, intervalMs, timeoutMs, signal } = options;
  const identifier = Math.floor(Math.random() * 0x10000);
  const sentAt = new Map<number, number>();
  const roundTripsMs: number[] = [];
  const complete = new AbortController();
  let awaited = count;
  let ttl: number | undefined;
  let failure: string | undefined;
  const onReply = (reply: EchoReply): void => {
    const start = reply.identifier === identifier ? sentAt.get(reply.sequence) : undefined;
    if (start === undefined) return;
    sentAt.delete(reply.sequence);
    roundTripsMs.push(performance.now() - start);
    ttl = reply.ttl;
    if (--awaited === 0) complete.abort();
  };
  const socket = EchoSocket.open({ netns: options.netns, destination, onReply });
  try {
    for (let sequence = 1; sequence <= count; sequence++) {
      sentAt.set(sequence, performance.now());
      try {
        socket.send({ identifier, sequence }, payload);
      } catch (error) {
        failure = describeError(error);
        if (--awaited === 0) complete.abort();
      }
      if (sequence < count) await pause(intervalMs, signal);
      signal?.throwIfAborted();
    }
    await pause(
      timeoutMs,
      signal === undefined ? complete.signal : AbortSignal.any([complete.signal, signal]),
    );
    signal?.throwIfAborted();
    return { sent: count, roundTripsMs, ttl, failure };
  } finally {
    socket.close();
  }
}

const payload = new Uint8Array(pingPayloadBytes);

/** Sleeps, but not beyond the signal. */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Whoever called looks at the signal.
  }
}
