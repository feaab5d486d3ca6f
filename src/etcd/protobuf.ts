import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';

/**
 * The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as etcd's messages use
 * it: varints and length-delimited fields are read and written, fixed-width ones are skipped, groups (which
 * proto3 does not have) are refused.
 */
const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** Writes one message. A field that is undefined is left out; one that is given is written, zero or not. */
export class MessageWriter {
  readonly #out = new ByteWriter();

  toBytes(): Uint8Array {
    return this.#out.toBytes();
  }

  /** int64, uint64, int32 and enum: negative numbers as their 64-bit two's complement. */
  integer(field: number, value: bigint | number | undefined): this {
    return value === undefined ? this : this.#key(field, wireType.varint).#varint(value);
  }

  bool(field: number, value: boolean | undefined): this {
    return value === undefined ? this : this.integer(field, value ? 1 : 0);
  }

  /** bytes, string (as UTF-8) and embedded messages. */
  bytes(field: number, value: Uint8Array | undefined): this {
    if (value === undefined) return this;
    this.#key(field, wireType.bytes).#varint(value.length);
    this.#out.bytes(value);
    return this;
  }

  text(field: number, value: string | undefined): this {
    return this.bytes(field, value === undefined ? undefined : new TextEncoder().encode(value));
  }

  /** A repeated field of embedded messages. */
  repeated(field: number, values: readonly Uint8Array[]): this {
    for (const value of values) this.bytes(field, value);
    return this;
  }

  #key(field: number, type: number): this {
    return this.#varint(field * 8 + type);
  }

  #varint(value: bigint | number): this {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.#out.u8(Number(rest & 0x7fn) | 0x80);
    this.#out.u8(Number(rest));
    return this;
  }
}

/**
 * The fields of one message, whatever they are; a field that nobody asks for is thereby skipped. As proto3
 * wants it, an absent field has its zero value, and of a single field given twice the last counts.
 * @throws WeftError `etcd-protocol` when the bytes are no message, or a field is not of the kind asked for
 */
export class MessageFields {
  readonly #numbers: number[] = [];
  /** A varint (a bigint only beyond 2^53) or the bytes, as a view; undefined for a kind that is skipped. */
  readonly #values: Array<number | bigint | Uint8Array | undefined> = [];

  constructor(bytes: Uint8Array) {
    const cursor = new Cursor(bytes);
    while (!cursor.atEnd) {
      const key = Number(cursor.varint());
      this.#numbers.push(Math.floor(key / 8));
      this.#values.push(cursor.value(key % 8));
    }
  }

  int64(field: number): bigint {
    return BigInt.asIntN(64, BigInt(this.#varint(field)));
  }

  uint64(field: number): bigint {
    return BigInt(this.#varint(field));
  }

  bool(field: number): boolean {
    return Number(this.#varint(field)) !== 0;
  }

  bytes(field: number): Uint8Array {
    return this.message(field) ?? new Uint8Array();
  }

  text(field: number): string {
    return utf8.decode(this.bytes(field));
  }

  /** The bytes of an embedded message, or undefined when it is absent. */
  message(field: number): Uint8Array | undefined {
    const at = this.#numbers.lastIndexOf(field);
    return at === -1 ? undefined : asBytes(field, this.#values[at]);
  }

  /** The bytes of every embedded message of a repeated field, in order. */
  messages(field: number): Uint8Array[] {
    return this.#values
      .filter((_, index) => this.#numbers[index] === field)
      .map(value => asBytes(field, value));
  }

  #varint(field: number): number | bigint {
    const at = this.#numbers.lastIndexOf(field);
    if (at === -1) return 0;
    const value = this.#values[at];
    if (typeof value === 'number' || typeof value === 'bigint') return value;
    throw malformed(`expected field ${field} to be a varint`);
  }
}

function asBytes(field: number, value: number | bigint | Uint8Array | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw malformed(`expected field ${field} to be length-delimited`);
}

class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  value(type: number): number | bigint | Uint8Array | undefined {
    switch (type) {
      case wireType.varint:
        return this.varint();
      case wireType.bytes:
        return this.#take(Number(this.varint()));
      case wireType.fixed64:
        this.#take(8);
        return undefined;
      case wireType.fixed32:
        this.#take(4);
        return undefined;
      default:
        throw malformed(`wire type ${type} at byte ${this.#at}`);
    }
  }

  /** At most ten bytes, seven bits each, the lowest first; what lies beyond 64 bits is dropped. */
  varint(): number | bigint {
    let low = 0;
    for (let index = 0; index < 7; index++) {
      const byte = this.#byte();
      low += (byte & 0x7f) * 2 ** (7 * index);
      if (byte < 0x80) return low;
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed(`a varint of more than ten bytes ends at byte ${this.#at}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw malformed(`a varint goes on after the last byte`);
    return byte;
  }

  #take(length: number): Uint8Array {
    const rest = this.#bytes.length - this.#at;
    if (length > rest)
      throw malformed(`a field of ${length} bytes at byte ${this.#at}, where ${rest} are left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function malformed(what: string): WeftError {
  return new WeftError('etcd-protocol', `etcd's answer is not a Protocol Buffers message: ${what}`);
}
