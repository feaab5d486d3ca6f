/**
 * One marked echo request, and where it was seen: a capture on each device of this host that the packet, or what is put
 * around it, should pass.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteWriter, readU8 } from '../base/bytes.ts';
import { describeError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, ipToBytes } from '../base/ip.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { closeDescriptor, lastErrno, sendDatagramTo, socket } from '../sys/libc.ts';
import { inNetns } from '../sys/netns.ts';
import { type CapturedFrame, PacketSocket } from '../sys/packet-socket.ts';
import { encodeIcmp } from '../wire/icmp.ts';
import { ipProtocols } from '../wire/ipv4.ts';
import { markFilter, markOffset } from './mark-filter.ts';

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

export interface Sighting {
  readonly device: LinkName;
  /** Milliseconds after the first sighting; undefined: not seen. */
  readonly requestMs: number | undefined;
  readonly answerMs: number | undefined;
  /** Why this device could not be watched, or not well. */
  readonly problem: string | undefined;
}

export interface LiveReport {
  readonly sightings: readonly Sighting[];
  /** Why it could not even be sent. */
  readonly failure: string | undefined;
  readonly answered: boolean;
}

/** Chosen: enough of a frame for the headers of both packets and the mark. */
const snapBytes = 256;
/** Chosen: for what is on its way up when the answer has been seen somewhere. */
const settleMs = 50;

/** @throws the signal's reason */
export async function probeLive(probe: LiveProbe): Promise<LiveReport> {
  const { destination, signal, patienceMs } = probe;
  const family = familyOf(destination);
  const answered = Promise.withResolvers<void>();
  const watches = probe.devices.map(device => new Watch(device, probe, family, answered.resolve));
  const patience = new AbortController();
  try {
    const failure = send(probe, family);
    if (failure === undefined) {
      const waiting = sleep(patienceMs, undefined, {
        signal: AbortSignal.any([signal, patience.signal]),
      }).catch(() => {});
      await Promise.race([answered.promise, waiting]);
      await sleep(settleMs, undefined, { signal });
    }
    const first = Math.min(...watches.flatMap(({ times }) => times));
    const sightings = watches.map(watch => watch.sighting(first));
    return { sightings, failure, answered: sightings.some(({ answerMs }) => answerMs !== undefined) };
  } finally {
    patience.abort();
    for (const watch of watches) watch.close();
  }
}

/** One device under watch. */
class Watch {
  readonly #name: LinkName;
  readonly #seen = new Map<'request' | 'answer', number>();
  #socket: PacketSocket | undefined;
  #problem: string | undefined;

  constructor(
    { name, index }: LiveProbe['devices'][number],
    { netns, mark }: LiveProbe,
    family: Family,
    onAnswer: () => void,
  ) {
    this.#name = name;
    const onFrame = (frame: CapturedFrame): void => {
      const kind = kindOf(frame.bytes, mark, family);
      if (kind === undefined || this.#seen.has(kind)) return;
      this.#seen.set(kind, Number(frame.timeNs / 1000n) / 1000);
      if (kind === 'answer') onAnswer();
    };
    const onEnd = (error: Error): void => {
      this.#problem = describeError(error);
    };
    try {
      this.#socket = PacketSocket.open({
        ifIndex: index,
        netns,
        filter: markFilter(mark, snapBytes),
        snapBytes,
        onFrame,
        onEnd,
      });
    } catch (error) {
      this.#problem = describeError(error);
    }
  }

  get times(): number[] {
    return [...this.#seen.values()];
  }

  sighting(first: number): Sighting {
    const since = (kind: 'request' | 'answer'): number | undefined => {
      const at = this.#seen.get(kind);
      return at === undefined ? undefined : at - first;
    };
    const dropped = this.#socket?.counts().dropped ?? 0;
    const problem = this.#problem ?? (dropped > 0 ? 'the kernel had no room for all packets' : undefined);
    return { device: this.#name, requestMs: since('request'), answerMs: since('answer'), problem };
  }

  close(): void {
    this.#socket?.close();
  }
}

function kindOf(frame: Uint8Array, mark: number, family: Family): 'request' | 'answer' | undefined {
  const at = markOffset(frame, mark);
  if (at === undefined) return undefined;
  const type = readU8(frame, at - 8);
  const [request, answer] = family === 4 ? [8, 0] : [128, 129];
  return type === request ? 'request' : type === answer ? 'answer' : undefined;
}

const AF = { 4: 2, 6: 10 } as const;
const SOCK_RAW_CLOEXEC = 3 | 0x80000;
const protocols = { 4: ipProtocols.icmp, 6: ipProtocols.icmp6 } as const;

/** Gives why it could not be sent. */
function send({ netns, destination, mark }: LiveProbe, family: Family): string | undefined {
  const open = (): number => socket(AF[family], SOCK_RAW_CLOEXEC, protocols[family]);
  let fd: number;
  try {
    fd = netns === undefined ? open() : inNetns(netns, open);
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
    const message = encodeIcmp(
      { kind: 'echo-request', identifier: mark & 0xffff, sequence: 1 },
      family,
      payload,
    );
    // struct sockaddr_in: family, port, address, padding; struct sockaddr_in6: family, port, flow, address, scope.
    const to = new ByteWriter(28)
      .u16le(AF[family])
      .zeros(family === 4 ? 2 : 6)
      .bytes(ipToBytes(destination))
      .zeros(family === 4 ? 8 : 4)
      .toBytes();
    if (sendDatagramTo(fd, message, to) >= 0) return undefined;
    const { name, words } = lastErrno();
    return `${name} (${words})`;
  } finally {
    closeDescriptor(fd);
  }
}
