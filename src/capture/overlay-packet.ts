/**
 * A captured packet of the underlay, and what it has to do with the overlay:
 *
 *     tunnelled   outer Ethernet, IP, UDP | VXLAN | the frame inside
 *                 outer Ethernet, IP, UDP |         the IP packet inside (udp backend)
 *     fragment    a later piece of such a datagram, which has no header of it
 *     refused     an ICMP error about such a datagram
 */
import { readU8, readU16be } from '../base/bytes.ts';
import type { IcmpHeader } from '../wire/icmp.ts';
import { ipProtocols } from '../wire/ipv4.ts';
import { isFragment, type Layer } from '../wire/packet.ts';
import { ethernetFrame, ipFrame } from '../wire/pcap-link.ts';
import type { CapturedPacket } from '../wire/pcap-record.ts';
import { decodeUdp, type UdpHeader } from '../wire/udp.ts';
import { FragmentBook } from './fragment-book.ts';
import { filled, type IpHeader, isIp, orUndefined, walk, withoutVerdicts } from './layers.ts';
import { readTunnelled, type Tunnelled } from './tunnelled.ts';

export type OverlayPacket = {
  /** From the link's header to IP. */
  readonly outer: readonly Layer[];
  readonly ip: IpHeader;
} & (Tunnelled | LaterFragment | Refused);

interface LaterFragment {
  readonly kind: 'fragment';
  readonly offsetBytes: number;
  readonly bytes: number;
}

interface Refused {
  readonly kind: 'refused';
  readonly icmp: IcmpHeader;
  /** What the error is about, as far as it is quoted. */
  readonly about: { readonly ip: IpHeader; readonly udp: UdpHeader };
}

/** No frame is longer, even as the kernel hands them to itself; a file that says so is not believed. */
const longestFrameBytes = 256 * 1024;

/** Decodes packets in the order of their capture: later fragments are known by the first. */
export class OverlayDecoder {
  readonly #ports: readonly number[];
  readonly #fragments = new FragmentBook();
  readonly #room = new Uint8Array(longestFrameBytes);

  /** @param ports UDP destination ports of overlays */
  constructor(ports: readonly number[]) {
    this.#ports = ports;
  }

  /**
   * None for what has nothing to do with the overlay, several for datagrams that the kernel holds in one. A packet that was cut is read as if zeros followed, so that
   * lengths are right; there is no verdict on its checksums, and no header that is not there as a whole. Payloads are
   * only valid until the next call.
   */
  decode(packet: CapturedPacket): readonly OverlayPacket[] {
    const frame = ethernetFrame(packet);
    if (frame === undefined) return [];
    const missing = packet.lengthBytes - packet.bytes.length;
    if (missing <= 0) return this.#read(walk(frame.bytes), frame.invented, bytes => bytes.length);
    const whole = this.#filledUp(frame.bytes, missing);
    const end = whole.byteOffset + frame.bytes.length;
    return this.#read(withoutVerdicts(walk(whole)), frame.invented, bytes =>
      Math.min(bytes.length, Math.max(0, end - bytes.byteOffset)),
    );
  }

  /** @param captured how many of the bytes of a view are true */
  #read(
    all: readonly Layer[],
    invented: boolean,
    captured: (bytes: Uint8Array) => number,
  ): readonly OverlayPacket[] {
    const layers = invented ? all.slice(1) : all;
    const at = layers.findIndex(isIp);
    const [ip, next, payload] = layers.slice(at, at + 3);
    if (at < 0 || ip === undefined || !isIp(ip)) return [];
    const outer = layers.slice(0, at + 1);
    if (isFragment(ip)) return this.#readFragment(outer, ip, next, captured);
    const bytes = payload?.layer === 'payload' ? payload.bytes : new Uint8Array();
    if (next?.layer === 'udp' && this.#ports.includes(next.destinationPort))
      return readTunnelled(next, bytes, captured(bytes)).map(one => ({ ...one, outer, ip }));
    if (next?.layer !== 'icmp' || !isError(next)) return [];
    const about = this.#readQuoted(bytes);
    return about === undefined ? [] : [{ kind: 'refused', outer, ip, icmp: next, about }];
  }

  /** The first has all headers; of later ones it is told that they belong to it. */
  #readFragment(
    outer: readonly Layer[],
    ip: IpHeader,
    next: Layer | undefined,
    captured: (bytes: Uint8Array) => number,
  ): readonly OverlayPacket[] {
    if (ip.protocol !== ipProtocols.udp || next?.layer !== 'payload') return [];
    const offsetBytes = ip.layer === 'ipv4' ? ip.fragmentOffsetBytes : (ip.fragment?.offsetBytes ?? 0);
    if (offsetBytes > 0) {
      const known = this.#fragments.has(ip);
      return known ? [{ kind: 'fragment', outer, ip, offsetBytes, bytes: next.bytes.length }] : [];
    }
    if (next.bytes.length < 8) return [];
    const datagram = filled(next.bytes, readU16be(next.bytes, 4));
    const { header, payload } = orUndefined(() => decodeUdp(datagram)) ?? {};
    if (header === undefined || payload === undefined) return [];
    if (!this.#ports.includes(header.destinationPort)) return [];
    this.#fragments.add(ip);
    const tunnelled = readTunnelled(header, payload, captured(next.bytes) - 8);
    return tunnelled.map(one => ({ ...one, outer, ip }));
  }

  #readQuoted(bytes: Uint8Array): Refused['about'] | undefined {
    if (bytes.length < 28) return undefined;
    const length = readU8(bytes, 0) >>> 4 === 4 ? readU16be(bytes, 2) : 40 + readU16be(bytes, 4);
    const frame = ipFrame(filled(bytes, length));
    const [, ip, udp] = frame === undefined ? [] : withoutVerdicts(walk(frame.bytes));
    if (ip === undefined || !isIp(ip) || udp?.layer !== 'udp') return undefined;
    return this.#ports.includes(udp.destinationPort) ? { ip, udp } : undefined;
  }

  #filledUp(bytes: Uint8Array, missing: number): Uint8Array {
    const length = Math.min(bytes.length + missing, longestFrameBytes);
    this.#room.set(bytes.subarray(0, length));
    this.#room.fill(0, Math.min(bytes.length, length), length);
    return this.#room.subarray(0, length);
  }
}

/** The others quote no packet, whatever they seem to hold. */
function isError({ message }: IcmpHeader): boolean {
  return ['unreachable', 'too-big', 'time-exceeded', 'parameter-problem'].includes(message.kind);
}
