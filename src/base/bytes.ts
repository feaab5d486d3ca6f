import { WeftError } from './errors.ts';

/**
 * Growing byte buffer for encoders. Integers come in both orders because rtnetlink speaks the host's order
 * (little-endian on x86-64 and arm64, the machines that Weft runs on) while addresses, ports and packet
 * headers are in network order.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacityBytes = 256) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = value;
    return this;
  }

  u16le(value: number): this {
    const at = this.#grow(2);
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
    return this;
  }

  u16be(value: number): this {
    const at = this.#grow(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  u32le(value: number): this {
    return this.u16le(value & 0xffff).u16le(value >>> 16);
  }

  u32be(value: number): this {
    return this.u16be(value >>> 16).u16be(value & 0xffff);
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** `count` zero bytes. */
  zeros(count: number): this {
    const at = this.#grow(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  /** Overwrites two bytes that were written earlier, for lengths known only at the end. */
  setU16le(at: number, value: number): void {
    this.#bytes[at] = value;
    this.#bytes[at + 1] = value >>> 8;
  }

  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return at;
  }
}

/** @throws WeftError `bytes-short` when the number lies outside `bytes`, here and in the readers below */
export function readU8(bytes: Uint8Array, at: number): number {
  const value = bytes[at];
  if (value === undefined)
    throw new WeftError('bytes-short', `expected a byte at ${at}, got the end of ${bytes.length} bytes`);
  return value;
}

export function readU16le(bytes: Uint8Array, at: number): number {
  return readU8(bytes, at) | (readU8(bytes, at + 1) << 8);
}

export function readU16be(bytes: Uint8Array, at: number): number {
  return (readU8(bytes, at) << 8) | readU8(bytes, at + 1);
}

export function readU32le(bytes: Uint8Array, at: number): number {
  return (readU16le(bytes, at) | (readU16le(bytes, at + 2) << 16)) >>> 0;
}

export function readI32le(bytes: Uint8Array, at: number): number {
  return readU32le(bytes, at) | 0;
}

export function readU32be(bytes: Uint8Array, at: number): number {
  return ((readU16be(bytes, at) << 16) | readU16be(bytes, at + 2)) >>> 0;
}

/** Bytes `at` to `at + length`, as a view. @throws WeftError `bytes-short` */
export function slice(bytes: Uint8Array, at: number, length: number): Uint8Array {
  if (length < 0 || at < 0 || at + length > bytes.length) {
    throw new WeftError('bytes-short', `expected ${length} bytes at ${at}, got ${bytes.length} in all`);
  }
  return bytes.subarray(at, at + length);
}
