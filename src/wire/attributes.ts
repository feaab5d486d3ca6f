/**
 * Netlink attributes (struct nlattr / rtattr): length (2, header included), type (2), value, padded to 4 bytes.
 */
import { type ByteWriter, readU16le } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';

const attributeHeaderBytes = 4;

/** The two top bits of the type are flags: nested and network byte order (NLA_TYPE_MASK). */
const typeMask = 0x3fff;
const nestedFlag = 0x8000;

/**
 * Calls `visit` for each attribute from byte `start` on. Values are views. Trailing padding is ignored.
 * @throws WeftError `netlink-malformed` when a length does not fit
 */
export function eachAttribute(
  bytes: Uint8Array,
  start: number,
  visit: (type: number, value: Uint8Array) => void,
): void {
  for (let at = start; at + attributeHeaderBytes <= bytes.length; ) {
    const length = readU16le(bytes, at);
    if (length < attributeHeaderBytes || at + length > bytes.length) {
      throw new WeftError(
        'netlink-malformed',
        `netlink attribute at byte ${at} claims ${length} bytes of ${bytes.length}`,
      );
    }
    visit(readU16le(bytes, at + 2) & typeMask, bytes.subarray(at + attributeHeaderBytes, at + length));
    at += (length + 3) & ~3;
  }
}

/** A NUL-terminated string. */
export function readString(value: Uint8Array): string {
  const end = value.indexOf(0);
  return decoder.decode(end < 0 ? value : value.subarray(0, end));
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export function writeAttribute(writer: ByteWriter, type: number, value: Uint8Array): void {
  writer
    .u16le(attributeHeaderBytes + value.length)
    .u16le(type)
    .bytes(value)
    .zeros(-value.length & 3);
}

export function writeU8(writer: ByteWriter, type: number, value: number): void {
  writer.u16le(5).u16le(type).u8(value).zeros(3);
}

export function writeU16(writer: ByteWriter, type: number, value: number): void {
  writer.u16le(6).u16le(type).u16le(value).zeros(2);
}

/** A 16-bit number in network order, such as a port. */
export function writeU16be(writer: ByteWriter, type: number, value: number): void {
  writer.u16le(6).u16le(type).u16be(value).zeros(2);
}

export function writeU32(writer: ByteWriter, type: number, value: number): void {
  writer.u16le(8).u16le(type).u32le(value);
}

export function writeString(writer: ByteWriter, type: number, value: string): void {
  writeAttribute(writer, type, encoder.encode(`${value}\0`));
}

/** An attribute without a value, whose presence is the message. */
export function writeFlag(writer: ByteWriter, type: number): void {
  writer.u16le(attributeHeaderBytes).u16le(type);
}

/** An attribute that holds the attributes `fill` writes. */
export function writeNested(writer: ByteWriter, type: number, fill: () => void): void {
  const at = writer.length;
  writer.u16le(0).u16le(type | nestedFlag);
  fill();
  writer.setU16le(at, writer.length - at);
}
