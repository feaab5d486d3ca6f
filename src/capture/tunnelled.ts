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
  /** Packets behind the one inside: the kernel had not cut them into datagrams yet (UDP segmentation offload). */
  readonly more: number;
}

/**
 * Reads what a datagram to an overlay's port holds.
 * @param known how many of the bytes were captured; what is behind them is made up
 */
export function readTunnelled(udp: UdpHeader, bytes: Uint8Array, known: number): Tunnelled {
  const tunnelled = { kind: 'tunnelled', udp, more: 0 } as const;
  // The two tell themselves apart: VXLAN begins with flags of which the upper half is 0 or 8.
  const bare = ipFrame(bytes);
  if (bare !== undefined) {
    const [invented, ...inner] = readInner(bare.bytes, known + ethernetHeaderBytes);
    return invented?.layer === 'ethernet'
      ? { ...tunnelled, vxlan: undefined, inner, more: packetsBehind(bytes) }
      : { ...tunnelled, vxlan: undefined, inner: [cutShort(bytes, known)] };
  }
  if (known < Math.min(vxlanBytes, bytes.length))
    return { ...tunnelled, vxlan: undefined, inner: [cutShort(bytes, known)] };
  const read = orUndefined(() => decodeVxlanHeader(bytes));
  if (read === undefined) return { ...tunnelled, vxlan: undefined, inner: [notVxlan(bytes)] };
  return { ...tunnelled, vxlan: read.header, inner: readInner(read.payload, known - vxlanBytes) };
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
/** IPv6's: what is malformed can be judged by so much. */
const longestFixedHeader = 40;

function cutShort(bytes: Uint8Array, known: number): Layer {
  return { layer: 'payload', bytes, malformed: `of which only ${Math.max(0, known)} were captured` };
}

/** All but the last are as long as the first (udp(7), UDP_SEGMENT). */
function packetsBehind(bytes: Uint8Array): number {
  if (bytes.length < 20) return 0;
  const first = readU8(bytes, 0) >>> 4 === 4 ? readU16be(bytes, 2) : 40 + readU16be(bytes, 4);
  return first < 20 ? 0 : Math.max(0, Math.ceil(bytes.length / first) - 1);
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
