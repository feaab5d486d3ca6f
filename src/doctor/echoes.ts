/** Asks many addresses at once whether they answer echo requests, with packets that arrive whole or not at all. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { ByteWriter, readU16be, readU32be } from '../base/bytes.ts';
import { type Family, familyOf, type IpAddress } from '../base/ip.ts';
import { type IcmpReply, IcmpSocket } from '../sys/icmp-socket.ts';
import { inNetns } from '../sys/netns.ts';
import { encodeIcmp } from '../wire/icmp.ts';

export interface EchoQuestion {
  readonly destination: IpAddress;
  /** Of the IP packet. Default: 84 in IPv4, 104 in IPv6, as `ping` sends. */
  readonly lengthBytes?: number | undefined;
  /** How long to wait after each packet; as many are sent, unless one is answered. */
  readonly waitsMs: readonly number[];
  /** What begins the payload, by which the packet is known again; default: random. */
  readonly mark?: number | undefined;
}

export type EchoAnswer =
  | { readonly kind: 'answered'; readonly milliseconds: number }
  | { readonly kind: 'silent' }
  /** This host did not send it: EMSGSIZE where the device takes no packet of that size, EPERM by a firewall, ... */
  | { readonly kind: 'unsent'; readonly errno: string };

const headerBytes = { 4: 20 + 8, 6: 40 + 8 } as const;
const usualPayloadBytes = 56;
const markBytes = 4;
/** In the ICMP message: the mark is at the beginning of the payload. */
const [sequenceAt, markAt] = [6, 8];

/** The sockets of one network namespace, opened when they are needed. */
export class Echoes {
  readonly #netns: string | undefined;
  readonly #sockets = new Map<Family, IcmpSocket>();
  /** By mark: what to do with the number of the packet that is answered. */
  readonly #waiting = new Map<number, (sequence: number) => void>();
  readonly #signal: AbortSignal;

  /** @param netns path of the namespace; undefined: the process's own */
  constructor(netns: string | undefined, signal: AbortSignal) {
    this.#netns = netns;
    this.#signal = signal;
  }

  /** @throws WeftError `icmp-forbidden`, `netns-missing`; the signal's reason */
  async ask(question: EchoQuestion): Promise<EchoAnswer> {
    const { destination, waitsMs, mark = randomInt(2 ** 32) } = question;
    const family = familyOf(destination);
    const { lengthBytes = headerBytes[family] + usualPayloadBytes } = question;
    const socket = this.#socketOf(family);
    const over = new AbortController();
    const sentMs: number[] = [];
    let milliseconds: number | undefined;
    this.#waiting.set(mark, sequence => {
      milliseconds ??= performance.now() - (sentMs[sequence] ?? 0);
      over.abort();
    });
    try {
      let failure: string | undefined;
      for (const [sequence, waitMs] of waitsMs.entries()) {
        sentMs.push(performance.now());
        failure = socket.send(destination, requestOf(family, { mark, sequence, lengthBytes }))?.name;
        if (failure === 'EMSGSIZE') break;
        await this.#pause(waitMs, over.signal);
        if (milliseconds !== undefined) return { kind: 'answered', milliseconds };
      }
      return failure === undefined ? { kind: 'silent' } : { kind: 'unsent', errno: failure };
    } finally {
      this.#waiting.delete(mark);
    }
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #socketOf(family: Family): IcmpSocket {
    const open = (): IcmpSocket =>
      IcmpSocket.open({ family, probesPath: true, onReply: reply => this.#take(reply) });
    const socket =
      this.#sockets.get(family) ?? (this.#netns === undefined ? open() : inNetns(this.#netns, open));
    this.#sockets.set(family, socket);
    return socket;
  }

  #take({ message }: IcmpReply): void {
    if (message.length < markAt + markBytes) return;
    this.#waiting.get(readU32be(message, markAt))?.(readU16be(message, sequenceAt));
  }

  async #pause(milliseconds: number, over: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([over, this.#signal]);
    await sleep(milliseconds, undefined, { signal }).catch(() => {});
    // On a machine that is busy the time may be over before anybody has read what is there.
    await turn();
    this.#signal.throwIfAborted();
  }
}

function requestOf(
  family: Family,
  {
    mark,
    sequence,
    lengthBytes,
  }: { readonly mark: number; readonly sequence: number; readonly lengthBytes: number },
): Uint8Array {
  const payload = new ByteWriter(lengthBytes - headerBytes[family])
    .u32be(mark)
    .zeros(lengthBytes - headerBytes[family] - markBytes)
    .toBytes();
  return encodeIcmp({ kind: 'echo-request', identifier: mark & 0xffff, sequence }, family, payload);
}
