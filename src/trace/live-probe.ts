/**
 * One marked echo request, and where it was seen: a capture on each device of this host that the packet, or what is put
 * around it, should pass.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteWriter } from '../base/bytes.ts';
import { describeError } from '../base/errors.ts';
import { familyOf, type IpAddress } from '../base/ip.ts';
import type { Sighting } from '../control/peer-questions.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { IcmpSocket } from '../sys/icmp-socket.ts';
import { inNetns } from '../sys/netns.ts';
import { encodeIcmp } from '../wire/icmp.ts';
import { DeviceWatch, sightingsOf } from './device-watch.ts';

export interface LiveProbe {
  /** Path of the network namespace to send from; undefined: the process's own. */
  readonly netns: string | undefined;
  readonly destination: IpAddress;
  readonly devices: ReadonlyArray<{ readonly name: LinkName; readonly index: number }>;
  /** Thirty-two random bits, by which the probe is known again. */
  readonly mark: number;
  /** How long the answer may take. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

export interface LiveReport {
  readonly sightings: readonly Sighting[];
  /** Why it could not even be sent. */
  readonly failure: string | undefined;
  readonly answered: boolean;
  /** What the other host has seen; undefined: it was not asked, or did not answer. */
  readonly there?: readonly Sighting[] | undefined;
  /** Why what it has seen is not known. */
  readonly thereProblem?: string | undefined;
}

/** Chosen: for what is on its way up when the answer has been seen somewhere. */
const settleMs = 50;

/** @throws the signal's reason */
export async function probeLive(probe: LiveProbe): Promise<LiveReport> {
  const { netns, destination, mark, signal, patienceMs } = probe;
  const answered = Promise.withResolvers<void>();
  const onSeen = (kind: string): void => void (kind === 'answer' && answered.resolve());
  const watched = { family: familyOf(destination), mark, onSeen };
  const watches = probe.devices.map(device => new DeviceWatch({ ...device, netns }, watched));
  const patience = new AbortController();
  try {
    const failure = send(probe);
    if (failure === undefined) {
      const waiting = sleep(patienceMs, undefined, {
        signal: AbortSignal.any([signal, patience.signal]),
      }).catch(() => {});
      await Promise.race([answered.promise, waiting]);
      await sleep(settleMs, undefined, { signal });
    }
    const sightings = sightingsOf(watches);
    return { sightings, failure, answered: sightings.some(({ answerMs }) => answerMs !== undefined) };
  } finally {
    patience.abort();
    for (const watch of watches) watch.close();
  }
}

/** Gives why it could not be sent. */
function send({ netns, destination, mark }: LiveProbe): string | undefined {
  const family = familyOf(destination);
  const open = (): IcmpSocket => IcmpSocket.open({ family, onReply() {} });
  let socket: IcmpSocket;
  try {
    socket = netns === undefined ? open() : inNetns(netns, open);
  } catch (error) {
    return describeError(error);
  }
  try {
    const text = new TextEncoder().encode('weft trace');
    const payload = new ByteWriter(64)
      .u32be(mark)
      .bytes(text)
      .zeros(56 - 4 - text.length)
      .toBytes();
    const echo = { kind: 'echo-request', identifier: mark & 0xffff, sequence: 1 } as const;
    const failure = socket.send(destination, encodeIcmp(echo, family, payload));
    return failure && `${failure.name} (${failure.words})`;
  } finally {
    socket.close();
  }
}
