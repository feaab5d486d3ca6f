/**
 * Packets from the wire on their way to the TUN device. Segments of one TCP flow that follow each other, and datagrams
 * of one UDP flow that are equally long, become one super-packet (the reverse of segment.ts), by the rules of the
 * kernel's own receive offload (net/ipv4/tcp_offload.c tcp_gro_receive, af_inet.c inet_gro_receive): nothing may get
 * lost in it, so that taking it apart again gives the same packets. The order within a flow is kept.
 */
import type { Arena } from './arena.ts';
import { Pieces } from './pieces.ts';
import { continuesIp, isLikeTcp, isSameFlow, tcpFlags } from './succession.ts';
import { gso, writeChecksumPlace, writeVnetHeader } from './vnet-header.ts';

export interface CoalescerOptions {
  /** Whether the device takes super-packets. */
  readonly tcp: boolean;
  readonly udp: boolean;
  /** Writes everything; called when there is no room for more. The queue is empty afterwards. */
  onFull(): void;
}

/** UDP_MAX_SEGMENTS of the kernels that have fewest; a TCP super-packet ends at 64 KiB. */
const mostDatagrams = 64;
const mostBytes = 65_535;
const capacity = 1024;
/** Flows that can be extended at a time; more of them only means smaller super-packets. */
const openSlots = 128;

const { FIN, PSH, ACK, ECE } = tcpFlags;
const [protocolTcp, protocolUdp] = [6, 17];

export class Coalescer {
  readonly pieces = new Pieces(capacity);
  /** Writes to the device, in order. */
  count = 0;
  /** First piece of each write; that piece begins with the headers. */
  readonly first = new Int32Array(capacity);
  /** Packets in the write, and their bytes as they came. */
  readonly packets = new Int32Array(capacity);
  readonly wireBytes = new Int32Array(capacity);

  readonly #arena: Arena;
  readonly #options: CoalescerOptions;
  readonly #last = new Int32Array(capacity);
  /** Length of the super-packet so far. */
  readonly #bytes = new Int32Array(capacity);
  readonly #segmentBytes = new Int32Array(capacity);
  readonly #nextSequence = new Int32Array(capacity);
  readonly #verified = new Uint8Array(capacity);
  readonly #open = new Int32Array(openSlots).fill(-1);

  // The packet at hand.
  #packet = 0;
  #length = 0;
  #transport = 0;
  #headerBytes = 0;
  #flags = 0;

  constructor(arena: Arena, options: CoalescerOptions) {
    this.#arena = arena;
    this.#options = options;
  }

  /** Takes a well-formed packet, which stays where it is until it is written. */
  push(packet: number, length: number): void {
    if (this.count === capacity || this.pieces.room === 0) this.#options.onFull();
    this.#packet = packet;
    this.#length = length;
    const protocol = this.#protocol();
    const isTcp = protocol === protocolTcp && this.#options.tcp && this.#parseTcp();
    if (!isTcp && !(protocol === protocolUdp && this.#options.udp && this.#parseUdp())) {
      this.#closeFlow(protocol);
      this.#begin(0);
      return;
    }
    const slot = this.#slot(protocol);
    const open = this.#open[slot] ?? -1;
    const isSameFlow = open >= 0 && this.#isFlowOf(open);
    const mayMerge = !isTcp || this.#isPlainTcp();
    if (isSameFlow && mayMerge && this.#continues(open, isTcp) && this.#bothVerified(open)) {
      if (this.#extend(open, isTcp)) this.#open[slot] = -1;
      return;
    }
    const begun = this.#begin(length - this.#headerBytes);
    if (isTcp) this.#nextSequence[begun] = this.#arena.view.getInt32(this.#transport + 4) + this.#payload();
    const canGrow = mayMerge && (this.#flags & (FIN | PSH)) === 0 && this.#payload() > 0;
    if (canGrow) this.#open[slot] = begun;
    else if (isSameFlow) this.#open[slot] = -1;
  }

  /** The packet at hand goes alone; what comes after it in its flow must not be written before it. */
  #closeFlow(protocol: number): void {
    const hasPorts = this.#transport + 4 <= this.#packet + this.#length;
    if (!hasPorts || (protocol !== protocolTcp && protocol !== protocolUdp)) return;
    const slot = this.#slot(protocol);
    const open = this.#open[slot] ?? -1;
    if (open >= 0 && this.#isFlowOf(open)) this.#open[slot] = -1;
  }

  /**
   * Turns the headers of a write of several packets into the super-packet's, and writes its vnet header to `vnet`. To be
   * called once only.
   */
  finish(write: number, vnet: number): void {
    const { view } = this.#arena;
    const packet = this.pieces.offset[this.first[write] ?? 0] ?? 0;
    const length = this.#bytes[write] ?? 0;
    const isSix = view.getUint8(packet) >>> 4 === 6;
    const ipBytes = isSix ? 40 : 20;
    const isTcp = view.getUint8(packet + (isSix ? 6 : 9)) === protocolTcp;
    this.#finishIp(packet, length, isSix);
    const transport = packet + ipBytes;
    const checksumOffset = isTcp ? 16 : 6;
    if (!isTcp) view.setUint16(transport + 4, length - ipBytes);
    view.setUint16(transport + checksumOffset, this.#pseudoSum(packet, isSix, length - ipBytes));
    const type = isTcp ? (isSix ? gso.tcp6 : gso.tcp4) : gso.udp;
    const headerBytes = ipBytes + (isTcp ? (view.getUint8(transport + 12) >>> 4) << 2 : 8);
    writeVnetHeader(view, vnet, type, headerBytes, this.#segmentBytes[write] ?? 0);
    writeChecksumPlace(view, vnet, ipBytes, checksumOffset);
  }

  clear(): void {
    this.count = 0;
    this.pieces.clear();
    this.#open.fill(-1);
  }

  #payload(): number {
    return this.#length - this.#headerBytes;
  }

  /** Protocol number, and where its header begins; 0 for fragments, options and extension headers: those go alone. */
  #protocol(): number {
    const { view } = this.#arena;
    const packet = this.#packet;
    const first = view.getUint8(packet);
    if (first >>> 4 === 6) {
      this.#transport = packet + 40;
      return view.getUint8(packet + 6);
    }
    this.#transport = packet + 20;
    const isWhole = (view.getUint16(packet + 6) & 0x3fff) === 0;
    return first === 0x45 && isWhole ? view.getUint8(packet + 9) : 0;
  }

  #parseTcp(): boolean {
    const room = this.#packet + this.#length - this.#transport;
    if (room < 20) return false;
    const { view } = this.#arena;
    const headerBytes = (view.getUint8(this.#transport + 12) >>> 4) << 2;
    this.#headerBytes = this.#transport - this.#packet + headerBytes;
    this.#flags = view.getUint8(this.#transport + 13);
    return headerBytes >= 20 && headerBytes <= room;
  }

  /** A datagram without a checksum cannot be verified, and one with other lengths than its packet is somebody's trick. */
  #parseUdp(): boolean {
    const room = this.#packet + this.#length - this.#transport;
    if (room <= 8) return false;
    const { view } = this.#arena;
    this.#headerBytes = this.#transport - this.#packet + 8;
    this.#flags = 0;
    return view.getUint16(this.#transport + 4) === room && view.getUint16(this.#transport + 6) !== 0;
  }

  /** Data, and nothing that concerns one segment alone. */
  #isPlainTcp(): boolean {
    return (this.#flags & ~(FIN | PSH | ECE)) === ACK && this.#payload() > 0;
  }

  /** Where the flow is open, or can be: one of two places, so that two flows that meet do not drive each other out. */
  #slot(protocol: number): number {
    const { view } = this.#arena;
    // Ports differ most; the addresses' last bytes next.
    const hash = view.getInt32(this.#transport) ^ view.getInt32(this.#transport - 4) ^ protocol;
    const slot = (hash ^ (hash >>> 16) ^ (hash >>> 7)) & (openSlots - 1);
    const [one, other] = [this.#open[slot] ?? -1, this.#open[slot ^ 1] ?? -1];
    if (one >= 0 && this.#isFlowOf(one)) return slot;
    if (other >= 0 && this.#isFlowOf(other)) return slot ^ 1;
    return one >= 0 && other < 0 ? slot ^ 1 : slot;
  }

  #headOf(write: number): number {
    return this.pieces.offset[this.first[write] ?? 0] ?? 0;
  }

  #isFlowOf(write: number): boolean {
    return isSameFlow(this.#arena.view, this.#headOf(write), this.#packet);
  }

  /** Whether the packet at hand is what segmentation would make after the packets of `write`. */
  #continues(write: number, isTcp: boolean): boolean {
    const { view } = this.#arena;
    const payload = this.#payload();
    const packets = this.packets[write] ?? 0;
    if (payload > (this.#segmentBytes[write] ?? 0)) return false;
    if ((this.#bytes[write] ?? 0) + payload > mostBytes || (!isTcp && packets >= mostDatagrams)) return false;
    const head = this.#headOf(write);
    if (!continuesIp(view, head, this.#packet, packets)) return false;
    if (!isTcp) return true;
    if (view.getInt32(this.#transport + 4) !== this.#nextSequence[write]) return false;
    const there = head + this.#transport - this.#packet;
    return isLikeTcp(view, there, this.#transport, this.#packet + this.#headerBytes - this.#transport);
  }

  /** The super-packet says that its checksum is right, so it must be for each of its packets. */
  #bothVerified(write: number): boolean {
    if (!this.#isRight(this.#packet, this.#length)) return false;
    if (this.#verified[write] === 1) return true;
    // Of one packet only so far, so this is its length.
    if (!this.#isRight(this.#headOf(write), this.#bytes[write] ?? 0)) return false;
    this.#verified[write] = 1;
    return true;
  }

  #isRight(packet: number, length: number): boolean {
    const isSix = this.#arena.view.getUint8(packet) >>> 4 === 6;
    const ipBytes = isSix ? 40 : 20;
    const pseudo = this.#pseudoSum(packet, isSix, length - ipBytes);
    return this.#arena.sum(packet + ipBytes, length - ipBytes, pseudo) === 0xffff;
  }

  #pseudoSum(packet: number, isSix: boolean, length: number): number {
    const { view } = this.#arena;
    if (isSix) return this.#arena.sum(packet + 8, 32, view.getUint8(packet + 6) + length);
    return this.#arena.sum(packet + 12, 8, view.getUint8(packet + 9) + length);
  }

  #begin(segmentBytes: number): number {
    const write = this.count++;
    const piece = this.pieces.add(-1, this.#packet, this.#length);
    this.first[write] = piece;
    this.#last[write] = piece;
    this.packets[write] = 1;
    this.wireBytes[write] = this.#length;
    this.#bytes[write] = this.#length;
    this.#segmentBytes[write] = segmentBytes;
    this.#verified[write] = 0;
    return write;
  }

  /** True when nothing may follow. */
  #extend(write: number, isTcp: boolean): boolean {
    const payload = this.#payload();
    const body = this.#packet + this.#headerBytes;
    this.#last[write] = this.pieces.add(this.#last[write] ?? -1, body, payload);
    this.packets[write] = (this.packets[write] ?? 0) + 1;
    this.wireBytes[write] = (this.wireBytes[write] ?? 0) + this.#length;
    this.#bytes[write] = (this.#bytes[write] ?? 0) + payload;
    const last = this.#flags & (FIN | PSH);
    if (isTcp) {
      const { view } = this.#arena;
      this.#nextSequence[write] = (this.#nextSequence[write] ?? 0) + payload;
      const flagsAt = this.#headOf(write) + this.#transport - this.#packet + 13;
      if (last !== 0) view.setUint8(flagsAt, view.getUint8(flagsAt) | last);
    }
    return last !== 0 || payload < (this.#segmentBytes[write] ?? 0);
  }

  #finishIp(packet: number, length: number, isSix: boolean): void {
    const { view } = this.#arena;
    if (isSix) {
      view.setUint16(packet + 4, length - 40);
      return;
    }
    view.setUint16(packet + 2, length);
    view.setUint16(packet + 10, 0);
    view.setUint16(packet + 10, ~this.#arena.sum(packet, 20));
  }
}
