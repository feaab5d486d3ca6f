/**
 * From the underlay to the TUN device:
 *
 *     message ─> a peer's? whole? ─> datagram by datagram: well-formed? source in the peer's subnet? TTL ─> Coalescer
 */
import type { Arena } from './arena.ts';
import type { Coalescer } from './coalesce.ts';
import { type CounterArray, count } from './counters.ts';
import { drop } from './drop-reasons.ts';
import type { IcmpTeller } from './icmp-teller.ts';
import { inspect } from './inspect.ts';
import type { Peers } from './peers.ts';
import { decrementTtl } from './ttl.ts';

export interface InboundOptions {
  readonly arena: Arena;
  readonly peers: Peers;
  readonly coalescer: Coalescer;
  readonly icmp: IcmpTeller;
  readonly counters: CounterArray;
}

export class Inbound {
  readonly #options: InboundOptions;

  constructor(options: InboundOptions) {
    this.#options = options;
  }

  /**
   * Takes a message of one or several datagrams (UDP_GRO) from one sender. Its bytes may change, and must stay until the
   * packets are written.
   * @param sender number of the peer; negative for a stranger
   * @param segmentBytes of each datagram but the last; 0: there is only one
   * @param isWhole false when it did not fit the buffer (MSG_TRUNC)
   */
  message(sender: number, at: number, length: number, segmentBytes: number, isWhole: boolean): void {
    const step = segmentBytes > 0 ? segmentBytes : length;
    if (sender < 0 || !isWhole) {
      const datagrams = Math.max(1, Math.ceil(length / step));
      count(this.#options.counters, sender < 0 ? drop['unknown-sender'] : drop.truncated, datagrams);
      return;
    }
    if (length === 0) this.#drop(drop.truncated);
    const end = at + length;
    for (let packet = at; packet < end; packet += step)
      this.#datagram(sender, packet, Math.min(step, end - packet));
  }

  #datagram(sender: number, packet: number, length: number): void {
    const { arena, peers, coalescer, icmp } = this.#options;
    const flaw = inspect(arena, packet, length);
    if (flaw !== drop.none) this.#drop(flaw);
    else if (peers.ofSource(arena.view, packet) !== sender) this.#drop(drop['foreign-source']);
    else if (decrementTtl(arena, packet)) coalescer.push(packet, length);
    else {
      icmp.dropped(drop['ttl-exceeded'], packet, length);
      this.#drop(drop['ttl-exceeded']);
    }
  }

  #drop(reason: number): void {
    count(this.#options.counters, reason, 1);
  }
}
