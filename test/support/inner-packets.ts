/** Whole IP packets with right checksums, as containers send them. */
import { ByteWriter } from '../../src/base/bytes.ts';
import { familyOf, type IpAddress } from '../../src/base/ip.ts';
import { internetChecksum, pseudoHeaderSum } from '../../src/wire/checksum.ts';
import { encodeIcmp } from '../../src/wire/icmp.ts';
import { encodeIpv4, ipProtocols } from '../../src/wire/ipv4.ts';
import { encodeIpv6 } from '../../src/wire/ipv6.ts';
import { encodeUdp } from '../../src/wire/udp.ts';

/** Of one family. IPv6 has no identification, DF or options: they are left out there. */
export interface Envelope {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly ttl?: number;
  readonly trafficClass?: number;
  readonly identification?: number;
  readonly dontFragment?: boolean;
  readonly options?: Uint8Array;
}

export interface TcpSpec {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement?: number;
  readonly flags?: number;
  readonly window?: number;
  /** A multiple of 4 bytes. */
  readonly options?: Uint8Array;
}

export const tcpFlags = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const;

/** RFC 9293 section 3.1. A plain acknowledgement, window 500, unless told. */
export function tcpPacket(envelope: Envelope, spec: TcpSpec, payload: Uint8Array): Uint8Array {
  const { options = new Uint8Array() } = spec;
  const segment = new ByteWriter(20 + options.length + payload.length)
    .u16be(spec.sourcePort)
    .u16be(spec.destinationPort)
    .u32be(spec.sequence >>> 0)
    .u32be(spec.acknowledgement ?? 1)
    .u8((5 + options.length / 4) << 4)
    .u8(spec.flags ?? tcpFlags.ACK)
    .u16be(spec.window ?? 500)
    .zeros(4)
    .bytes(options)
    .bytes(payload)
    .toBytes();
  const sum = internetChecksum(segment, pseudoHeaderSum(envelope, ipProtocols.tcp, segment.length));
  segment.set([sum >>> 8, sum & 0xff], 16);
  return packetOf(envelope, ipProtocols.tcp, segment);
}

export function udpPacket(
  envelope: Envelope,
  ports: { readonly sourcePort: number; readonly destinationPort: number },
  payload: Uint8Array,
): Uint8Array {
  return packetOf(envelope, ipProtocols.udp, encodeUdp(ports, payload, envelope));
}

export function echoRequest(envelope: Envelope, sequence: number, payload: Uint8Array): Uint8Array {
  const family = familyOf(envelope.source);
  const message = encodeIcmp({ kind: 'echo-request', identifier: 7, sequence }, family, payload, envelope);
  return packetOf(envelope, family === 4 ? ipProtocols.icmp : ipProtocols.icmp6, message);
}

export function packetOf(envelope: Envelope, protocol: number, payload: Uint8Array): Uint8Array {
  if (familyOf(envelope.source) === 4) return encodeIpv4({ ...envelope, protocol }, payload);
  const { source, destination, ttl = 64, trafficClass = 0 } = envelope;
  return encodeIpv6({ source, destination, trafficClass, hopLimit: ttl, protocol }, payload);
}

/** Where its transport header begins: these packets have no extension headers. */
const transportAt = (packet: Uint8Array): number => (isIpv4(packet) ? ((packet[0] ?? 0) & 15) * 4 : 40);
const isIpv4 = (packet: Uint8Array): boolean => (packet[0] ?? 0) >> 4 === 4;

/**
 * A TCP or UDP packet as a TUN device with offloads passes it: a virtio header in front, the checksum field holding the
 * pseudo header's sum.
 * @param segmentBytes of payload in each packet that it stands for; 0 for one whose checksum alone is missing
 */
export function offloaded(packet: Uint8Array, envelope: Envelope, segmentBytes: number): Uint8Array {
  const start = transportAt(packet);
  const protocol = packet[isIpv4(packet) ? 9 : 6] ?? 0;
  const isTcp = protocol === ipProtocols.tcp;
  const offset = isTcp ? 16 : 6;
  const type = isTcp ? (isIpv4(packet) ? 1 : 4) : 5;
  const headerBytes = start + (isTcp ? ((packet[start + 12] ?? 0) >> 4) * 4 : 8);
  const sum = ~internetChecksum(new Uint8Array(), pseudoHeaderSum(envelope, protocol, packet.length - start));
  const partial = packet.with(start + offset, (sum >> 8) & 0xff).with(start + offset + 1, sum & 0xff);
  return new ByteWriter(10 + packet.length)
    .u8(1)
    .u8(segmentBytes === 0 ? 0 : type)
    .u16le(segmentBytes === 0 ? 0 : headerBytes)
    .u16le(segmentBytes)
    .u16le(start)
    .u16le(offset)
    .bytes(partial)
    .toBytes();
}
