/**
 * One super-packet of the TUN device (TSO, USO) into the packets that it stands for, as the kernel's own segmentation
 * makes them (net/ipv4/tcp_offload.c tcp_gso_segment, udp_offload.c __udp_gso_segment, af_inet.c inet_gso_segment).
 * Payload is not copied: each segment is a header of its own and a piece of the super-packet.
 */
import type { Arena } from './arena.ts';
import type { Outgoing } from './outgoing.ts';
import { tcpFlags } from './succession.ts';

const { FIN, PSH, CWR } = tcpFlags;

export interface SuperPacket {
  /** Where it lies, and its length. */
  packet: number;
  length: number;
  /** Where its transport header lies. */
  transport: number;
  /** Bytes of all headers. */
  headerBytes: number;
  /** Bytes of payload in each segment but the last. */
  segmentBytes: number;
  isTcp: boolean;
}

/** Puts the segments of `whole` into the queue. Its headers are changed; the checksum must be the pseudo header's. */
export class Segmenter {
  readonly #arena: Arena;
  readonly #outgoing: Outgoing;
  /** Sums of the two headers without what differs between the segments. */
  #ipSum = 0;
  #transportSum = 0;
  #sequence = 0;
  #identification = 0;
  #flags = 0;

  constructor(arena: Arena, outgoing: Outgoing) {
    this.#arena = arena;
    this.#outgoing = outgoing;
  }

  segment(whole: SuperPacket, peer: number): void {
    const { packet, length, headerBytes, segmentBytes } = whole;
    this.#prepareIp(packet);
    if (whole.isTcp) this.#prepareTcp(whole);
    else this.#prepareUdp(whole);
    const outgoing = this.#outgoing;
    const { bytes } = this.#arena;
    const end = packet + length;
    for (let body = packet + headerBytes; body < end; body += segmentBytes) {
      const bodyBytes = Math.min(segmentBytes, end - body);
      const header = outgoing.header(headerBytes);
      bytes.copyWithin(header, packet, packet + headerBytes);
      this.#finishIp(header, headerBytes + bodyBytes);
      const transport = header + whole.transport - packet;
      const transportBytes = packet + headerBytes - whole.transport + bodyBytes;
      if (whole.isTcp) this.#finishTcp(transport, transportBytes, body, bodyBytes, body + bodyBytes === end);
      else this.#finishUdp(transport, transportBytes, body, bodyBytes);
      outgoing.segment(peer, header, headerBytes, body, bodyBytes);
    }
  }

  #prepareIp(packet: number): void {
    const { view } = this.#arena;
    const first = view.getUint8(packet);
    if (first >>> 4 === 6) return;
    this.#identification = view.getUint16(packet + 4);
    view.setUint16(packet + 2, 0);
    view.setUint16(packet + 4, 0);
    view.setUint16(packet + 10, 0);
    this.#ipSum = this.#arena.sum(packet, (first & 0xf) << 2);
  }

  /** The kernel counts IPv4's identification up, whether or not DF makes it meaningless. */
  #finishIp(header: number, length: number): void {
    const { view } = this.#arena;
    if (view.getUint8(header) >>> 4 === 6) {
      view.setUint16(header + 4, length - 40);
      return;
    }
    const identification = this.#identification;
    this.#identification = (identification + 1) & 0xffff;
    view.setUint16(header + 2, length);
    view.setUint16(header + 4, identification);
    view.setUint16(header + 10, complement(this.#ipSum + length + identification));
  }

  #prepareTcp({ packet, length, transport, headerBytes }: SuperPacket): void {
    const { view } = this.#arena;
    const pseudo = withoutLength(view.getUint16(transport + 16), length - (transport - packet));
    this.#sequence = view.getUint32(transport + 4);
    this.#flags = view.getUint8(transport + 13);
    view.setUint32(transport + 4, 0);
    view.setUint8(transport + 13, 0);
    view.setUint16(transport + 16, 0);
    this.#transportSum = this.#arena.sum(transport, packet + headerBytes - transport, pseudo);
  }

  #finishTcp(transport: number, length: number, body: number, bodyBytes: number, isLast: boolean): void {
    const { view } = this.#arena;
    const sequence = this.#sequence;
    const flags = isLast ? this.#flags : this.#flags & ~(FIN | PSH);
    const sum = this.#transportSum + length + (sequence >>> 16) + (sequence & 0xffff) + flags;
    view.setUint32(transport + 4, sequence);
    view.setUint8(transport + 13, flags);
    view.setUint16(transport + 16, ~this.#arena.sum(body, bodyBytes, sum));
    this.#sequence = (sequence + bodyBytes) >>> 0;
    // "Congestion window reduced" is said once (RFC 3168 section 6.1.2).
    this.#flags &= ~CWR;
  }

  #prepareUdp({ packet, length, transport }: SuperPacket): void {
    const { view } = this.#arena;
    const pseudo = withoutLength(view.getUint16(transport + 6), length - (transport - packet));
    this.#transportSum = pseudo + view.getUint16(transport) + view.getUint16(transport + 2);
  }

  #finishUdp(transport: number, length: number, body: number, bodyBytes: number): void {
    const { view } = this.#arena;
    // The length counts twice: in the pseudo header and in UDP's own.
    const checksum = ~this.#arena.sum(body, bodyBytes, this.#transportSum + 2 * length) & 0xffff;
    view.setUint16(transport + 4, length);
    view.setUint16(transport + 6, checksum === 0 ? 0xffff : checksum);
  }
}

/** Takes the length out of a pseudo header's sum. */
function withoutLength(pseudo: number, length: number): number {
  return pseudo + (~length & 0xffff);
}

/** The checksum whose words add up to `sum`. */
function complement(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return ~((once & 0xffff) + (once >>> 16)) & 0xffff;
}
