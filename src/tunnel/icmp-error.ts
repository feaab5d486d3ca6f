/**
 * What a router tells the sender of a packet that it cannot pass on: ICMP (RFC 792, RFC 1191, RFC 1812 section 4.3) and
 * ICMPv6 (RFC 4443), as whole IP packets. How often it may be told (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4 f)
 * is the caller's business.
 */
import type { Arena } from './arena.ts';

export interface IcmpError {
  readonly kind: 'net-unreachable' | 'time-exceeded' | 'fragmentation-needed';
  /** Where the packet lies that is to blame: a well-formed one, see `inspect`. */
  readonly packet: number;
  /** Its length. */
  readonly length: number;
  /** What would have fitted; for `fragmentation-needed`. Default: 0, "I do not say" (IPv4), 1280 (IPv6). */
  readonly mtuBytes?: number | undefined;
  /** Our own address, in network order: 4 bytes, or 16 for an IPv6 packet. */
  readonly source: Uint8Array;
}

/**
 * Writes the error at `to`, at most 576 bytes (IPv4) or 1280 (IPv6), and gives the length; 0, and nothing is written,
 * when none may be sent (RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7, RFC 4443 section 2.4 e) or `source` is of
 * the other family.
 */
export function writeIcmpError(arena: Arena, error: IcmpError, to: number): number {
  const { view } = arena;
  const six = view.getUint8(error.packet) >>> 4 === 6;
  if (error.source.length !== (six ? 16 : 4)) return 0;
  if (six) return mayAnswerIpv6(view, error) ? writeIpv6(arena, error, to) : 0;
  return mayAnswerIpv4(view, error) ? writeIpv4(arena, error, to) : 0;
}

const [ipv4HeaderBytes, ipv6HeaderBytes, icmpHeaderBytes] = [20, 40, 8];

// RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 c: as much of the packet as these leave.
const [ipv4MostBytes, ipv6MostBytes] = [576, 1280];

/** RFC 1812 section 4.3.2.5: an error goes with precedence 6, internetwork control. */
const internetworkControl = 0xc0;
const ttl = 64;
const dontFragment = 0x4000;
const [icmp, icmp6] = [1, 58];

/** Type and code as the header's first two bytes. */
const typeAndCode = {
  4: { 'net-unreachable': 0x0300, 'time-exceeded': 0x0b00, 'fragmentation-needed': 0x0304 },
  6: { 'net-unreachable': 0x0100, 'time-exceeded': 0x0300, 'fragmentation-needed': 0x0200 },
} as const;

/** Types that ask or answer (IANA "ICMP Type Numbers"). All others are errors, or might be. */
const questions: ReadonlySet<number> = new Set([0, 8, 9, 10, 13, 14, 15, 16, 17, 18, 42, 43]);

function mayAnswerIpv4(view: DataView, { packet, length }: IcmpError): boolean {
  if (length < ipv4HeaderBytes) return false;
  const isLaterFragment = (view.getUint16(packet + 6) & 0x1fff) !== 0;
  if (isLaterFragment || !isHost4(view.getUint32(packet + 12)) || isMany4(view.getUint32(packet + 16)))
    return false;
  if (view.getUint8(packet + 9) !== icmp) return true;
  const typeAt = (view.getUint8(packet) & 0xf) * 4;
  return typeAt < length && questions.has(view.getUint8(packet + typeAt));
}

/** One host's: not 0.0.0.0/8, 127.0.0.0/8, multicast, reserved or broadcast. */
function isHost4(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function isMany4(address: number): boolean {
  return address >>> 28 === 0xe || address === 0xffffffff;
}

function mayAnswerIpv6(view: DataView, error: IcmpError): boolean {
  const { packet, length } = error;
  if (length < ipv6HeaderBytes || !isHost6(view, packet + 8)) return false;
  const isMulticast = view.getUint8(packet + 24) === 0xff;
  // RFC 4443 section 2.4 e.3: or path MTU discovery would not work for multicast.
  if (isMulticast && error.kind !== 'fragmentation-needed') return false;
  return !mayBeIcmp6Error(view, packet, packet + length);
}

/** One host's: not ::, ::1 or multicast. */
function isHost6(view: DataView, at: number): boolean {
  if (view.getUint8(at) === 0xff) return false;
  const isSpecial = view.getUint32(at) === 0 && view.getUint32(at + 4) === 0 && view.getUint32(at + 8) === 0;
  return !isSpecial || view.getUint32(at + 12) > 1;
}

const [hopByHop, routing, fragment, authentication, destinationOptions, mobility] = [0, 43, 44, 51, 60, 135];

/** Behind the extension headers (RFC 8200 section 4): an ICMPv6 message that is no question, or the end of the packet. */
function mayBeIcmp6Error(view: DataView, packet: number, end: number): boolean {
  let protocol = view.getUint8(packet + 6);
  let at = packet + ipv6HeaderBytes;
  for (;;) {
    if (protocol === icmp6) return at >= end || view.getUint8(at) < 128 || view.getUint8(at) === redirect;
    const bytes = at + 8 <= end ? extensionBytes(view, protocol, at) : 0;
    if (bytes === 0) return false;
    const isLaterFragment = protocol === fragment && (view.getUint16(at + 2) & 0xfff8) !== 0;
    protocol = view.getUint8(at);
    // What lies in a later fragment is in the middle of something.
    if (isLaterFragment) return protocol === icmp6;
    at += bytes;
  }
}

/** RFC 4443 section 2.4 e.2. */
const redirect = 137;

/** 0: no extension header. */
function extensionBytes(view: DataView, protocol: number, at: number): number {
  switch (protocol) {
    case fragment:
      return 8;
    case authentication:
      return (view.getUint8(at + 1) + 2) * 4;
    case hopByHop:
    case routing:
    case destinationOptions:
    case mobility:
      return (view.getUint8(at + 1) + 1) * 8;
    default:
      return 0;
  }
}

function writeIpv4(
  arena: Arena,
  { kind, packet, length, mtuBytes = 0, source }: IcmpError,
  to: number,
): number {
  const { bytes, view } = arena;
  const icmpAt = to + ipv4HeaderBytes;
  const quoteAt = icmpAt + icmpHeaderBytes;
  const total = Math.min(length + ipv4HeaderBytes + icmpHeaderBytes, ipv4MostBytes);
  // First of all, so that the packet may lie where the error goes.
  bytes.copyWithin(quoteAt, packet, packet + total - (quoteAt - to));
  view.setUint16(to, 0x4500 | internetworkControl);
  view.setUint16(to + 2, total);
  view.setUint32(to + 4, dontFragment);
  view.setUint16(to + 8, (ttl << 8) | icmp);
  view.setUint16(to + 10, 0);
  bytes.set(source, to + 12);
  bytes.copyWithin(to + 16, quoteAt + 12, quoteAt + 16);
  view.setUint16(to + 10, ~arena.sum(to, ipv4HeaderBytes));
  view.setUint16(icmpAt, typeAndCode[4][kind]);
  view.setUint16(icmpAt + 2, 0);
  view.setUint32(icmpAt + 4, kind === 'fragmentation-needed' ? Math.min(mtuBytes, 0xffff) : 0);
  view.setUint16(icmpAt + 2, ~arena.sum(icmpAt, total - ipv4HeaderBytes));
  return total;
}

function writeIpv6(arena: Arena, error: IcmpError, to: number): number {
  const { bytes, view } = arena;
  const { kind, packet, length, mtuBytes = ipv6MostBytes, source } = error;
  const icmpAt = to + ipv6HeaderBytes;
  const quoteAt = icmpAt + icmpHeaderBytes;
  const total = Math.min(length + ipv6HeaderBytes + icmpHeaderBytes, ipv6MostBytes);
  bytes.copyWithin(quoteAt, packet, packet + total - (quoteAt - to));
  view.setUint32(to, 0x60000000 | (internetworkControl << 20));
  view.setUint16(to + 4, total - ipv6HeaderBytes);
  view.setUint16(to + 6, (icmp6 << 8) | ttl);
  bytes.set(source, to + 8);
  bytes.copyWithin(to + 24, quoteAt + 8, quoteAt + 24);
  view.setUint16(icmpAt, typeAndCode[6][kind]);
  view.setUint16(icmpAt + 2, 0);
  view.setUint32(icmpAt + 4, kind === 'fragmentation-needed' ? mtuBytes : 0);
  // The pseudo header of RFC 8200 section 8.1: both addresses, length, protocol.
  const addresses = arena.sum(to + 8, 32, total - ipv6HeaderBytes + icmp6);
  view.setUint16(icmpAt + 2, ~arena.sum(icmpAt, total - ipv6HeaderBytes, addresses));
  return total;
}
