/**
 * From the TUN device to the underlay:
 *
 *     vnet header, packet ─> well-formed? ─> whose? ─> TTL ─> fits? ─┬─ one packet ── checksum ─┬─> Outgoing
 *                                                                    └─ super-packet ── segments ┘
 *
 * What goes nowhere is counted, and its sender told by ICMP.
 */
import type { Arena } from './arena.ts';
import { type CounterArray, count } from './counters.ts';
import { drop } from './drop-reasons.ts';
import type { IcmpTeller } from './icmp-teller.ts';
import { inspect } from './inspect.ts';
import type { Outgoing } from './outgoing.ts';
import type { Peers } from './peers.ts';
import { Segmenter, type SuperPacket } from './segment.ts';
import { decrementTtl } from './ttl.ts';
import { gso, needsChecksum, vnetHeaderBytes } from './vnet-header.ts';

export interface OutboundOptions {
  readonly arena: Arena;
  readonly peers: Peers;
  readonly outgoing: Outgoing;
  readonly icmp: IcmpTeller;
  readonly counters: CounterArray;
  /** The longest inner packet. */
  readonly mtuBytes: number;
}

const mostHeaderBytes = 65_535;

export class Outbound {
  readonly #options: OutboundOptions;
  readonly #segmenter: Segmenter;
  readonly #whole: SuperPacket = {
    packet: 0,
    length: 0,
    transport: 0,
    headerBytes: 0,
    segmentBytes: 0,
    isTcp: false,
  };

  constructor(options: OutboundOptions) {
    this.#options = options;
    this.#segmenter = new Segmenter(options.arena, options.outgoing);
  }

  /** Takes what was read from a device without vnet headers. The bytes may change, and must stay until they are sent. */
  packet(packet: number, length: number): void {
    const peer = this.#judge(packet, length, length);
    if (peer >= 0) this.#options.outgoing.packet(peer, packet, length);
  }

  /** Takes what was read from a device with vnet headers: such a header at `at`, and a packet behind it. */
  packetWithHeader(at: number, length: number): void {
    const { view } = this.#options.arena;
    const packet = at + vnetHeaderBytes;
    const packetBytes = length - vnetHeaderBytes;
    const hasChecksum = packetBytes < 0 || (view.getUint8(at) & needsChecksum) === 0;
    const gsoType = packetBytes < 0 ? gso.none : view.getUint8(at + 1) & ~gso.ecn;
    if (gsoType !== gso.none) this.#superPacket(at, packet, packetBytes, hasChecksum, gsoType);
    else if (hasChecksum || this.#complete(at, packet, packetBytes)) this.packet(packet, packetBytes);
    else this.#drop(drop['bad-offload']);
  }

  #superPacket(at: number, packet: number, length: number, hasChecksum: boolean, gsoType: number): void {
    const whole = this.#whole;
    if (hasChecksum || !this.#parse(at, packet, length, gsoType)) {
      this.#drop(drop['bad-offload']);
      return;
    }
    const longest = Math.min(length, whole.headerBytes + whole.segmentBytes);
    const peer = this.#judge(packet, length, longest);
    if (peer >= 0) this.#segmenter.segment(whole, peer);
  }

  /** The peer to send to; -1 when the packet is dropped. @param longest bytes of the largest datagram it will make */
  #judge(packet: number, length: number, longest: number): number {
    const { arena, peers } = this.#options;
    const flaw = inspect(arena, packet, length);
    if (flaw !== drop.none) return this.#drop(flaw);
    const peer = peers.ofDestination(arena.view, packet);
    if (peer < 0) return this.#refuse(drop['no-route'], packet, length);
    if (longest > this.#options.mtuBytes && this.#mustFit(packet)) {
      return this.#refuse(drop['too-big'], packet, length);
    }
    if (!decrementTtl(arena, packet)) return this.#refuse(drop['ttl-exceeded'], packet, length);
    return peer;
  }

  /** IPv6 and DF. Other packets go as they are: the underlay cuts the datagram into fragments where it must. */
  #mustFit(packet: number): boolean {
    const { view } = this.#options.arena;
    return view.getUint8(packet) >>> 4 === 6 || (view.getUint8(packet + 6) & 0x40) !== 0;
  }

  /** Does what a network card would do to a packet with an open checksum. */
  #complete(at: number, packet: number, length: number): boolean {
    const { arena } = this.#options;
    const start = arena.view.getUint16(at + 6, true);
    const field = start + arena.view.getUint16(at + 8, true);
    if (field + 2 > length) return false;
    const checksum = ~arena.sum(packet + start, length - start) & 0xffff;
    // 0 would mean "none" to UDP (RFC 768), and is the same number as 0xffff to everybody else.
    arena.view.setUint16(packet + field, checksum === 0 ? 0xffff : checksum);
    return true;
  }

  #parse(at: number, packet: number, length: number, gsoType: number): boolean {
    const { view } = this.#options.arena;
    const start = view.getUint16(at + 6, true);
    const whole = this.#whole;
    whole.packet = packet;
    whole.length = length;
    whole.transport = packet + start;
    whole.segmentBytes = view.getUint16(at + 4, true);
    whole.isTcp = gsoType !== gso.udp;
    if (gsoType !== gso.tcp4 && gsoType !== gso.tcp6 && gsoType !== gso.udp) return false;
    if (whole.segmentBytes === 0 || start < 20 || start + (whole.isTcp ? 20 : 8) > length) return false;
    const transportBytes = whole.isTcp ? (view.getUint8(whole.transport + 12) >>> 4) << 2 : 8;
    whole.headerBytes = start + transportBytes;
    return transportBytes >= (whole.isTcp ? 20 : 8) && whole.headerBytes < Math.min(length, mostHeaderBytes);
  }

  #refuse(reason: number, packet: number, length: number): number {
    this.#options.icmp.dropped(reason, packet, length);
    return this.#drop(reason);
  }

  #drop(reason: number): number {
    count(this.#options.counters, reason, 1);
    return -1;
  }
}
