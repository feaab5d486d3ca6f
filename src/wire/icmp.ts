/**
 * ICMP (RFC 792; "fragmentation needed": RFC 1191) and ICMPv6 (RFC 4443): echo and errors, in one vocabulary. An
 * error's payload is the beginning of the packet that caused it, which {@link decodePacket} leaves as bytes.
 */
import { ByteWriter, readU8, readU16be, readU32be } from '../base/bytes.ts';
import type { Family } from '../base/ip.ts';
import { internetChecksum, type PacketEnds, pseudoHeaderSum } from './checksum.ts';
import { ipProtocols } from './ipv4.ts';
import { type ChecksumState, type Decoded, requireBytes } from './packet-layer.ts';

export interface IcmpHeader {
  readonly layer: 'icmp';
  readonly family: Family;
  readonly message: IcmpMessage;
  readonly checksum: ChecksumState;
}

export type IcmpMessage =
  | { readonly kind: 'echo-request' | 'echo-reply'; readonly identifier: number; readonly sequence: number }
  /** `code` says what could not be reached, by the family's own numbers. */
  | { readonly kind: 'unreachable' | 'time-exceeded'; readonly code: number }
  /** The packet did not fit a link and must not be cut: `mtuBytes` would have fitted, 0 if the router did not say. */
  | { readonly kind: 'too-big'; readonly mtuBytes: number }
  /** `pointer`: the byte of the packet that was found wrong. */
  | { readonly kind: 'parameter-problem'; readonly code: number; readonly pointer: number }
  /** All else; `rest` is the header's second half. */
  | { readonly kind: 'other'; readonly type: number; readonly code: number; readonly rest: number };

const headerBytes = 8;

const types = {
  4: { unreachable: 3, 'time-exceeded': 11, 'parameter-problem': 12, 'echo-request': 8, 'echo-reply': 0 },
  6: { unreachable: 1, 'time-exceeded': 3, 'parameter-problem': 4, 'echo-request': 128, 'echo-reply': 129 },
} as const;
const tooBig = { 4: { type: 3, code: 4 }, 6: { type: 2, code: 0 } } as const;

/**
 * @param ends addresses of the IP header around it: ICMPv6 counts them in, ICMP does not
 * @throws WeftError `packet-malformed`
 */
export function decodeIcmp(bytes: Uint8Array, family: Family, ends?: PacketEnds): Decoded<IcmpHeader> {
  requireBytes(bytes, headerBytes, 'an ICMP header');
  const message = decodeMessage(family, readU8(bytes, 0), readU8(bytes, 1), bytes);
  const header: IcmpHeader = { layer: 'icmp', family, message, checksum: checksumOf(bytes, family, ends) };
  return { header, payload: bytes.subarray(headerBytes) };
}

/** @param ends needed to checksum ICMPv6; without them its checksum is 0 */
export function encodeIcmp(
  message: IcmpMessage,
  family: Family,
  payload: Uint8Array,
  ends?: PacketEnds,
): Uint8Array {
  const { type, code, rest } = encodeMessage(message, family);
  const bytes = new ByteWriter(headerBytes + payload.length)
    .u8(type)
    .u8(code)
    .u16be(0)
    .u32be(rest)
    .bytes(payload)
    .toBytes();
  const sum = pseudoSum(family, ends, bytes.length);
  if (sum === undefined) return bytes;
  const checksum = internetChecksum(bytes, sum);
  bytes.set([checksum >>> 8, checksum & 0xff], 2);
  return bytes;
}

function decodeMessage(family: Family, type: number, code: number, bytes: Uint8Array): IcmpMessage {
  const known = types[family];
  if (type === tooBig[family].type && code === tooBig[family].code) {
    return { kind: 'too-big', mtuBytes: family === 4 ? readU16be(bytes, 6) : readU32be(bytes, 4) };
  }
  if (type === known['parameter-problem']) {
    return {
      kind: 'parameter-problem',
      code,
      pointer: family === 4 ? readU8(bytes, 4) : readU32be(bytes, 4),
    };
  }
  for (const kind of ['unreachable', 'time-exceeded'] as const)
    if (type === known[kind]) return { kind, code };
  for (const kind of ['echo-request', 'echo-reply'] as const) {
    if (type === known[kind] && code === 0)
      return { kind, identifier: readU16be(bytes, 4), sequence: readU16be(bytes, 6) };
  }
  return { kind: 'other', type, code, rest: readU32be(bytes, 4) };
}

function encodeMessage(message: IcmpMessage, family: Family): { type: number; code: number; rest: number } {
  switch (message.kind) {
    case 'other':
      return message;
    case 'too-big':
      return { ...tooBig[family], rest: message.mtuBytes };
    case 'echo-request':
    case 'echo-reply': {
      const rest = ((message.identifier << 16) | message.sequence) >>> 0;
      return { type: types[family][message.kind], code: 0, rest };
    }
    case 'parameter-problem': {
      const rest = family === 4 ? (message.pointer << 24) >>> 0 : message.pointer;
      return { type: types[family][message.kind], code: message.code, rest };
    }
    default:
      return { type: types[family][message.kind], code: message.code, rest: 0 };
  }
}

function checksumOf(bytes: Uint8Array, family: Family, ends: PacketEnds | undefined): ChecksumState {
  const sum = pseudoSum(family, ends, bytes.length);
  if (sum === undefined) return 'unknown';
  return internetChecksum(bytes, sum) === 0 ? 'right' : 'wrong';
}

/** Undefined when the sum cannot be known: ICMPv6 without its addresses. */
function pseudoSum(family: Family, ends: PacketEnds | undefined, lengthBytes: number): number | undefined {
  if (family === 4) return 0;
  return ends === undefined ? undefined : pseudoHeaderSum(ends, ipProtocols.icmp6, lengthBytes);
}
