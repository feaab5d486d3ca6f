/** What is in a datagram of an overlay: VXLAN and a frame, or an IP packet (udp backend). */
import { readU8, readU16be } from '../base/bytes.ts';
import { ethernetHeaderBytes, etherTypes } from '../wire/ethernet.ts';
import { ipProtocols } from '../wire/ipv4.ts';
import type { Layer } from '../wire/packet.ts';
import { ipFrame } from '../wire/pcap-link.ts';
import type { UdpHeader } from '../wire/udp.ts';
import { decodeVxlanHeader, type VxlanHeader } from '../wire/vxlan.ts';
import { isIp, orUndefined, walk, withoutVerdicts } from './layers.ts';

export interface Tunnelled {
  readonly kind: 'tunnelled';
  readonly udp: UdpHeader;
  /** Undefined for the udp backend, and for what should be VXLAN and is not: `inner` says why. */
  readonly vxlan: VxlanHeader | undefined;
  readonly inner: readonly Layer[];
  /**
   * The udp backend hands the kernel several datagrams as one, which is captured before it is cut (UDP_SEGMENT) or after
   * it was put together again (UDP_GRO): which of its packets this is. One of one is usual.
   */
  readonly part: { readonly number: number; readonly of: number };
  /** Packets behind this one of which nothing was captured. */
  readonly more: number;
}

/**
 * Reads what a datagram to an overlay's port holds: one packet, or several in their order.
 * @param known how many of the bytes were captured; what is behind them is made up
 */
export function readTunnelled(udp: UdpHeader, bytes: Uint8Array, known: number): Tunnelled[] {
  const tunnelled = { kind: 'tunnelled', udp, part: { number: 1, of: 1 }, more: 0 } as const;
  // The two tell themselves apart: VXLAN begins with flags of which the upper half is 0 or 8.
  if (ipFrame(bytes) !== undefined) return readBare(tunnelled, bytes, known);
  if (known < Math.min(vxlanBytes, bytes.length))
    return [{ ...tunnelled, vxlan: undefined, inner: [cutShort(bytes, known)] }];
  const read = orUndefined(() => decodeVxlanHeader(bytes));
  if (read === undefined) return [{ ...tunnelled, vxlan: undefined, inner: [notVxlan(bytes)] }];
  return [{ ...tunnelled, vxlan: read.header, inner: readInner(read.payload, known - vxlanBytes) }];
}

function readBare(
  tunnelled: Omit<Tunnelled, 'vxlan' | 'inner'>,
  bytes: Uint8Array,
  known: number,
): Tunnelled[] {
  const packets = datagramsIn(bytes, known);
  const captured = packets.filter((_, index) => index === 0 || known >= endOfHeader(packets, index));
  return captured.map((packet, index) => ({
    ...tunnelled,
    vxlan: undefined,
    inner: readBarePacket(packet, known - (packet.byteOffset - bytes.byteOffset)),
    part: { number: index + 1, of: packets.length },
    more: index === captured.length - 1 ? packets.length - captured.length : 0,
  }));
}

function readBarePacket(packet: Uint8Array, known: number): readonly Layer[] {
  const frame = ipFrame(packet)?.bytes ?? packet;
  const [invented, ...inner] = readInner(frame, known + ethernetHeaderBytes);
  return invented?.layer === 'ethernet' ? inner : [cutShort(packet, known)];
}

/**
 * All but the last are as long as the first (udp(7), UDP_SEGMENT), and each is an IP packet that says so itself; else the
 * bytes are one datagram, whatever is at its end.
 */
function datagramsIn(bytes: Uint8Array, known: number): Uint8Array[] {
  const first = ipLength(bytes);
  if (first === undefined || first >= bytes.length) return [bytes];
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += first) pieces.push(bytes.subarray(at, at + first));
  const fits = pieces.every((piece, index) =>
    known < endOfHeader(pieces, index) && known < bytes.length
      ? piece.length >= leastIpBytes
      : ipLength(piece) === piece.length,
  );
  return fits ? pieces : [bytes];
}

/** In the datagram: behind what tells a packet's length. */
function endOfHeader([first]: readonly Uint8Array[], index: number): number {
  return index * (first?.length ?? 0) + lengthFieldEnd;
}

/** By its header; undefined when it is no IP packet. */
function ipLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < leastIpBytes) return undefined;
  const version = readU8(bytes, 0) >>> 4;
  const length = version === 4 ? readU16be(bytes, 2) : version === 6 ? ipv6Bytes + readU16be(bytes, 4) : 0;
  return length < leastIpBytes ? undefined : length;
}

function readInner(frame: Uint8Array, known: number): readonly Layer[] {
  const layers = walk(frame);
  if (known >= frame.length) return layers;
  return headerBytes(layers, frame) > known ? [cutShort(frame, known)] : withoutVerdicts(layers);
}

/** With those that are shown of what the walk leaves as payload. */
function headerBytes(layers: readonly Layer[], frame: Uint8Array): number {
  const [before, last] = layers.slice(-2);
  if (last?.layer !== 'payload') return frame.length;
  const start = last.bytes.byteOffset - frame.byteOffset;
  if (last.malformed !== undefined) return start + longestFixedHeader;
  if (before === undefined) return start;
  if (isIp(before)) return start + (before.protocol === ipProtocols.tcp ? tcpBytes : 0);
  return start + ('etherType' in before && before.etherType === etherTypes.arp ? arpBytes : 0);
}

const [vxlanBytes, tcpBytes, arpBytes] = [8, 20, 28];
const [leastIpBytes, ipv6Bytes] = [20, 40];
/** IPv6's is the later of the two. */
const lengthFieldEnd = 6;
/** IPv6's: what is malformed can be judged by so much. */
const longestFixedHeader = 40;

function cutShort(bytes: Uint8Array, known: number): Layer {
  return { layer: 'payload', bytes, malformed: `of which only ${Math.max(0, known)} were captured` };
}

function notVxlan(bytes: Uint8Array): Layer {
  let malformed = '';
  try {
    decodeVxlanHeader(bytes);
  } catch (error) {
    malformed = (error as Error).message;
  }
  return { layer: 'payload', bytes, malformed };
}
