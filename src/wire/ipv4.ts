/** IPv4 packets: RFC 791 section 3.1, with the traffic class of RFC 2474 and RFC 3168. */
import { ByteWriter, readU8, readU16be } from '../base/bytes.ts';
import { type IpAddress, ipFromBytes, ipToBytes } from '../base/ip.ts';
import { internetChecksum } from './checksum.ts';
import { type ChecksumState, type Decoded, packetMalformed, requireBytes } from './packet-layer.ts';

export interface Ipv4Header {
  readonly layer: 'ipv4';
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** What follows: {@link ipProtocols}. */
  readonly protocol: number;
  readonly ttl: number;
  /** DSCP in the upper six bits, ECN in the lower two. */
  readonly trafficClass: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** Where the payload belongs in the whole packet, a multiple of 8; above 0 it begins with no header. */
  readonly fragmentOffsetBytes: number;
  /** With their padding: a multiple of 4, at most 40 bytes. */
  readonly options: Uint8Array;
  readonly checksum: ChecksumState;
}

export type Ipv4Spec = Pick<Ipv4Header, 'source' | 'destination' | 'protocol'> &
  Partial<Omit<Ipv4Header, 'layer' | 'checksum'>>;

/** IANA "protocol numbers", as far as they are taken apart or named here. */
export const ipProtocols = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

const leastBytes = 20;
const mostOptionBytes = 40;
const mostPacketBytes = 0xffff;
const dontFragmentFlag = 0x4000;
const moreFragmentsFlag = 0x2000;

/** @throws WeftError `packet-malformed`, also for what was cut short */
export function decodeIpv4(bytes: Uint8Array): Decoded<Ipv4Header> {
  requireBytes(bytes, leastBytes, 'an IPv4 header');
  const version = readU8(bytes, 0) >>> 4;
  if (version !== 4) throw packetMalformed(`expected IP version 4, got ${version}`);
  const headerBytes = (readU8(bytes, 0) & 0xf) * 4;
  const totalBytes = readU16be(bytes, 2);
  if (headerBytes < leastBytes || headerBytes > totalBytes) {
    throw packetMalformed(`IPv4 header of ${headerBytes} bytes in a packet of ${totalBytes}`);
  }
  requireBytes(bytes, totalBytes, 'this IPv4 packet');
  const fragment = readU16be(bytes, 6);
  const header: Ipv4Header = {
    layer: 'ipv4',
    source: ipFromBytes(bytes.subarray(12, 16)),
    destination: ipFromBytes(bytes.subarray(16, 20)),
    protocol: readU8(bytes, 9),
    ttl: readU8(bytes, 8),
    trafficClass: readU8(bytes, 1),
    identification: readU16be(bytes, 4),
    dontFragment: (fragment & dontFragmentFlag) !== 0,
    moreFragments: (fragment & moreFragmentsFlag) !== 0,
    fragmentOffsetBytes: (fragment & 0x1fff) * 8,
    options: bytes.subarray(leastBytes, headerBytes),
    checksum: internetChecksum(bytes.subarray(0, headerBytes)) === 0 ? 'right' : 'wrong',
  };
  return { header, payload: bytes.subarray(headerBytes, totalBytes) };
}

/**
 * Lengths and checksum are computed; TTL 64 and no fragment unless told.
 * @throws WeftError `packet-malformed` when options, offset or length do not fit the format
 */
export function encodeIpv4(spec: Ipv4Spec, payload: Uint8Array): Uint8Array {
  const { options = new Uint8Array(), fragmentOffsetBytes = 0 } = spec;
  const headerBytes = leastBytes + options.length;
  check(spec, options, fragmentOffsetBytes, headerBytes + payload.length);
  const flags = (spec.dontFragment ? dontFragmentFlag : 0) | (spec.moreFragments ? moreFragmentsFlag : 0);
  const packet = new ByteWriter(headerBytes + payload.length)
    .u8(0x40 | (headerBytes / 4))
    .u8(spec.trafficClass ?? 0)
    .u16be(headerBytes + payload.length)
    .u16be(spec.identification ?? 0)
    .u16be(flags | (fragmentOffsetBytes / 8))
    .u8(spec.ttl ?? 64)
    .u8(spec.protocol)
    .u16be(0)
    .bytes(ipToBytes(spec.source))
    .bytes(ipToBytes(spec.destination))
    .bytes(options)
    .bytes(payload)
    .toBytes();
  const checksum = internetChecksum(packet.subarray(0, headerBytes));
  packet.set([checksum >>> 8, checksum & 0xff], 10);
  return packet;
}

function check(spec: Ipv4Spec, options: Uint8Array, offsetBytes: number, totalBytes: number): void {
  if (spec.source.includes(':') || spec.destination.includes(':'))
    throw packetMalformed(`an IPv4 header cannot hold ${spec.source} and ${spec.destination}`);
  if (options.length % 4 !== 0 || options.length > mostOptionBytes)
    throw packetMalformed(`IPv4 options take 0, 4, ... ${mostOptionBytes} bytes, got ${options.length}`);
  if (offsetBytes % 8 !== 0 || offsetBytes < 0 || offsetBytes > 0xfff8)
    throw packetMalformed(`a fragment begins at a multiple of 8 bytes below 65536, got ${offsetBytes}`);
  if (totalBytes > mostPacketBytes)
    throw packetMalformed(`an IPv4 packet has at most ${mostPacketBytes} bytes, got ${totalBytes}`);
}
