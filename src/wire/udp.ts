/** UDP datagrams: RFC 768; over IPv6 RFC 8200 section 8.1. */
import { ByteWriter, readU16be } from '../base/bytes.ts';
import { internetChecksum, type PacketEnds, pseudoHeaderSum } from './checksum.ts';
import { ipProtocols } from './ipv4.ts';
import { type ChecksumState, type Decoded, packetMalformed, requireBytes } from './packet-layer.ts';

export interface UdpHeader {
  readonly layer: 'udp';
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly checksum: ChecksumState;
}

const headerBytes = 8;

/**
 * @param ends addresses of the IP header around it; without them the checksum stays unknown
 * @throws WeftError `packet-malformed`
 */
export function decodeUdp(bytes: Uint8Array, ends?: PacketEnds): Decoded<UdpHeader> {
  requireBytes(bytes, headerBytes, 'a UDP header');
  const length = readU16be(bytes, 4);
  if (length < headerBytes)
    throw packetMalformed(`a UDP datagram has at least 8 bytes, this one claims ${length}`);
  requireBytes(bytes, length, 'this UDP datagram');
  const header: UdpHeader = {
    layer: 'udp',
    sourcePort: readU16be(bytes, 0),
    destinationPort: readU16be(bytes, 2),
    checksum: checksumOf(bytes.subarray(0, length), ends),
  };
  return { header, payload: bytes.subarray(headerBytes, length) };
}

/**
 * @param ends with them the checksum is made, without them it is 0, "none", as RFC 7348 wants it for VXLAN over IPv4
 * @throws WeftError `packet-malformed` when it is too long
 */
export function encodeUdp(
  header: Pick<UdpHeader, 'sourcePort' | 'destinationPort'>,
  payload: Uint8Array,
  ends?: PacketEnds,
): Uint8Array {
  const length = headerBytes + payload.length;
  if (length > 0xffff) throw packetMalformed(`a UDP datagram has at most 65535 bytes, got ${length}`);
  const datagram = new ByteWriter(length)
    .u16be(header.sourcePort)
    .u16be(header.destinationPort)
    .u16be(length)
    .u16be(0)
    .bytes(payload)
    .toBytes();
  if (ends === undefined) return datagram;
  const sum = internetChecksum(datagram, pseudoHeaderSum(ends, ipProtocols.udp, length));
  // 0 means "none", so a sum of 0 goes as its other form.
  datagram.set(sum === 0 ? [0xff, 0xff] : [sum >>> 8, sum & 0xff], 6);
  return datagram;
}

function checksumOf(datagram: Uint8Array, ends: PacketEnds | undefined): ChecksumState {
  if (readU16be(datagram, 6) === 0) return 'none';
  if (ends === undefined) return 'unknown';
  const sum = internetChecksum(datagram, pseudoHeaderSum(ends, ipProtocols.udp, datagram.length));
  return sum === 0 ? 'right' : 'wrong';
}
