/** Tells senders why their packets are not passed on, but not without end (RFC 1812 section 4.3.2.8). */
import type { Arena } from './arena.ts';
import { drop } from './drop-reasons.ts';
import { type IcmpError, writeIcmpError } from './icmp-error.ts';
import { RateLimit } from './rate-limit.ts';

export interface IcmpTellerOptions {
  /** The device's own addresses, in network order. */
  readonly sources: { readonly ipv4: Uint8Array | undefined; readonly ipv6: Uint8Array | undefined };
  readonly mtuBytes: number;
  /** Where in the arena an error is written: {@link icmpErrorBytes} of room. */
  readonly at: number;
  nowMs(): number;
  /** Takes the error, a whole packet, before it returns. */
  tell(packet: number, length: number): void;
}

/** The longest error (RFC 4443 section 2.4 c). */
export const icmpErrorBytes = 1280;

/** As many as the kernel sends at once, and a tenth of what it sends in a second (net.ipv4.icmp_msgs_per_sec). */
const [perSecond, burst] = [100, 50];

const kinds: Readonly<Record<number, IcmpError['kind']>> = {
  [drop['no-route']]: 'net-unreachable',
  [drop['ttl-exceeded']]: 'time-exceeded',
  [drop['too-big']]: 'fragmentation-needed',
};

export class IcmpTeller {
  readonly #arena: Arena;
  readonly #options: IcmpTellerOptions;
  readonly #limit: RateLimit;

  constructor(arena: Arena, options: IcmpTellerOptions) {
    this.#arena = arena;
    this.#options = options;
    this.#limit = new RateLimit(perSecond, burst, options.nowMs());
  }

  /** The well-formed packet is dropped for that reason. */
  dropped(reason: number, packet: number, length: number): void {
    const { sources, mtuBytes, at, nowMs, tell } = this.#options;
    const kind = kinds[reason];
    const source = this.#arena.view.getUint8(packet) >>> 4 === 6 ? sources.ipv6 : sources.ipv4;
    if (kind === undefined || source === undefined || !this.#limit.take(nowMs())) return;
    const written = writeIcmpError(this.#arena, { kind, packet, length, mtuBytes, source }, at);
    if (written > 0) tell(at, written);
  }
}
