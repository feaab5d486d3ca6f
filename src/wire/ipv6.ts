/** IPv6 packets: RFC 8200 section 3, with its extension headers (section 4) and AH (RFC 4302). */
import { ByteWriter, readU8, readU16be, readU32be } from '../base/bytes.ts';
import { type IpAddress, ipFromBytes, ipToBytes } from '../base/ip.ts';
import { type Decoded, packetMalformed, requireBytes } from './packet-layer.ts';

export interface Ipv6Header {
  readonly layer: 'ipv6';
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** What follows the last extension header: {@link ipProtocols}. */
  readonly protocol: number;
  readonly hopLimit: number;
  readonly trafficClass: number;
  /** 20 bits. */
  readonly flowLabel: number;
  readonly extensions: readonly Ipv6Extension[];
  /** Told by the fragment header among the extensions. */
  readonly fragment: Ipv6Fragment | undefined;
}

/** An extension header, not interpreted. */
export interface Ipv6Extension {
  /** Which one: 0 hop-by-hop, 43 routing, 44 fragment, 51 AH, 60 destination options. */
  readonly protocol: number;
  /** All but its first byte, which numbers the header after it: so its length byte comes first. */
  readonly body: Uint8Array;
}

export interface Ipv6Fragment {
  readonly identification: number;
  /** Where the payload belongs in the whole packet, a multiple of 8; above 0 it begins with no header. */
  readonly offsetBytes: number;
  readonly moreFragments: boolean;
}

export type Ipv6Spec = Pick<Ipv6Header, 'source' | 'destination' | 'protocol'> &
  Partial<Pick<Ipv6Header, 'hopLimit' | 'trafficClass' | 'flowLabel' | 'extensions'>>;

const fixedBytes = 40;
const fragmentProtocol = 44;
const authenticationProtocol = 51;
const extensionProtocols: ReadonlySet<number> = new Set([0, 43, 44, 51, 60]);

/** Real packets have a few; the limit ends a chain built to cost time. */
const mostExtensions = 16;

/** Jumbograms (RFC 2675) are not known: their length of 0 is believed. @throws WeftError `packet-malformed` */
export function decodeIpv6(bytes: Uint8Array): Decoded<Ipv6Header> {
  requireBytes(bytes, fixedBytes, 'an IPv6 header');
  const word = readU32be(bytes, 0);
  if (word >>> 28 !== 6) throw packetMalformed(`expected IP version 6, got ${word >>> 28}`);
  const totalBytes = fixedBytes + readU16be(bytes, 4);
  requireBytes(bytes, totalBytes, 'this IPv6 packet');
  const chain = decodeExtensions(readU8(bytes, 6), bytes.subarray(fixedBytes, totalBytes));
  const header: Ipv6Header = {
    layer: 'ipv6',
    source: ipFromBytes(bytes.subarray(8, 24)),
    destination: ipFromBytes(bytes.subarray(24, 40)),
    protocol: chain.protocol,
    hopLimit: readU8(bytes, 7),
    trafficClass: (word >>> 20) & 0xff,
    flowLabel: word & 0xfffff,
    extensions: chain.extensions,
    fragment: fragmentOf(chain.extensions),
  };
  return { header, payload: chain.payload };
}

/**
 * Lengths are computed; hop limit 64 unless told.
 * @throws WeftError `packet-malformed` for extensions that belie their length, and for too long a packet
 */
export function encodeIpv6(spec: Ipv6Spec, payload: Uint8Array): Uint8Array {
  const { extensions = [], trafficClass = 0, flowLabel = 0 } = spec;
  const chain = new ByteWriter(payload.length + 64);
  for (const [index, { protocol, body }] of extensions.entries()) {
    const length = body.length > 0 ? extensionBytes(protocol, readU8(body, 0)) : 0;
    if (!extensionProtocols.has(protocol) || length !== body.length + 1) {
      throw packetMalformed(`no extension header ${protocol} has a body of these ${body.length} bytes`);
    }
    chain.u8(extensions[index + 1]?.protocol ?? spec.protocol).bytes(body);
  }
  chain.bytes(payload);
  if (chain.length > 0xffff)
    throw packetMalformed(`an IPv6 packet carries at most 65535 bytes, got ${chain.length}`);
  if (!spec.source.includes(':') || !spec.destination.includes(':'))
    throw packetMalformed(`an IPv6 header cannot hold ${spec.source} and ${spec.destination}`);
  return new ByteWriter(fixedBytes + chain.length)
    .u32be(((6 << 28) | (trafficClass << 20) | flowLabel) >>> 0)
    .u16be(chain.length)
    .u8(extensions[0]?.protocol ?? spec.protocol)
    .u8(spec.hopLimit ?? 64)
    .bytes(ipToBytes(spec.source))
    .bytes(ipToBytes(spec.destination))
    .bytes(chain.toBytes())
    .toBytes();
}

interface Chain {
  readonly protocol: number;
  readonly extensions: readonly Ipv6Extension[];
  readonly payload: Uint8Array;
}

function decodeExtensions(first: number, bytes: Uint8Array): Chain {
  const extensions: Ipv6Extension[] = [];
  let protocol = first;
  let payload = bytes;
  // What follows a later fragment's header is a piece of something, not a header.
  while (extensionProtocols.has(protocol) && (fragmentOf(extensions)?.offsetBytes ?? 0) === 0) {
    if (extensions.length === mostExtensions)
      throw packetMalformed(`more than ${mostExtensions} IPv6 extension headers`);
    requireBytes(payload, 8, `IPv6 extension header ${protocol}`);
    const length = extensionBytes(protocol, readU8(payload, 1));
    requireBytes(payload, length, `this IPv6 extension header ${protocol}`);
    extensions.push({ protocol, body: payload.subarray(1, length) });
    protocol = readU8(payload, 0);
    payload = payload.subarray(length);
  }
  return { protocol, extensions, payload };
}

/** In units of 8 bytes beyond the first 8; AH (RFC 4302 section 2.2) in units of 4, less two; fragments have no length. */
function extensionBytes(protocol: number, lengthByte: number): number {
  if (protocol === fragmentProtocol) return 8;
  return protocol === authenticationProtocol ? (lengthByte + 2) * 4 : (lengthByte + 1) * 8;
}

/** RFC 8200 section 4.5. */
function fragmentOf(extensions: readonly Ipv6Extension[]): Ipv6Fragment | undefined {
  const body = extensions.find(({ protocol }) => protocol === fragmentProtocol)?.body;
  if (body === undefined) return undefined;
  const word = readU16be(body, 1);
  return { identification: readU32be(body, 3), offsetBytes: word & 0xfff8, moreFragments: (word & 1) === 1 };
}
