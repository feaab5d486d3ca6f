/** Reads the blocks of pcapng, of either byte order and any time resolution; see pcapng.ts. */
import { type IpAddress, ipFromBytes } from '../base/ip.ts';
import {
  type CapturedPacket,
  type CaptureInterface,
  type CaptureRecord,
  captureFileMalformed,
  mostPacketBytes,
} from './pcap-record.ts';
import {
  blockFrameBytes,
  blockTypes,
  byteOrderMagic,
  directionBits,
  optionCodes,
  paddedBytes,
} from './pcapng.ts';

/** One block that has arrived as a whole. */
interface Block {
  readonly type: number;
  readonly body: DataView;
  readonly littleEndian: boolean;
  /** Where the body is in the file, for errors. */
  readonly at: number;
}

interface KnownInterface {
  readonly via: CaptureInterface;
  /** Nanoseconds of `ticks` of this interface's clock. */
  timeNs(ticks: bigint): bigint;
}

/** The state of a section: byte order and interfaces. Give it the file's blocks one after the other. */
export class PcapngReader {
  #littleEndian = true;
  #interfaces: KnownInterface[] = [];

  /**
   * How long the block is that `bytes` begin with; undefined when they are too few to tell.
   * @param at where `bytes` begin in the file
   * @throws WeftError `capture-file-malformed`
   */
  blockBytes(bytes: DataView, at: number): number | undefined {
    if (bytes.byteLength < blockFrameBytes) return undefined;
    if (bytes.getUint32(0, true) === blockTypes.section) this.#littleEndian = isLittleEndian(bytes, at);
    const length = bytes.getUint32(4, this.#littleEndian);
    if (length < blockFrameBytes || length % 4 !== 0 || length > mostPacketBytes)
      throw captureFileMalformed(at, `no block has ${length} bytes`);
    return length;
  }

  /** @param bytes a whole block @throws WeftError `capture-file-malformed` */
  read(bytes: DataView, at: number): CaptureRecord | undefined {
    const littleEndian = this.#littleEndian;
    const length = bytes.byteLength;
    if (bytes.getUint32(length - 4, littleEndian) !== length)
      throw captureFileMalformed(at, `a block of ${length} bytes does not end with its length`);
    const body = new DataView(bytes.buffer, bytes.byteOffset + 8, length - blockFrameBytes);
    const block = { type: bytes.getUint32(0, littleEndian), body, littleEndian, at: at + 8 };
    try {
      return this.#readBlock(block);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw captureFileMalformed(at, `a block of type ${block.type} is too short for what it holds`);
    }
  }

  #readBlock(block: Block): CaptureRecord | undefined {
    switch (block.type) {
      case blockTypes.section:
        this.#interfaces = [];
        return undefined;
      case blockTypes.interface:
        this.#interfaces.push(readInterface(block));
        return undefined;
      case blockTypes.packet:
      case blockTypes.oldPacket:
        return { type: 'packet', packet: this.#readPacket(block) };
      case blockTypes.simplePacket:
        return { type: 'packet', packet: this.#readSimplePacket(block) };
      case blockTypes.statistics:
        return this.#readStatistics(block);
      default:
        return undefined;
    }
  }

  #readPacket(block: Block): CapturedPacket {
    const { body, littleEndian, type } = block;
    const number =
      type === blockTypes.packet ? body.getUint32(0, littleEndian) : body.getUint16(0, littleEndian);
    const { via, timeNs } = this.#interface(number, block);
    const captured = body.getUint32(12, littleEndian);
    const flags = optionsOf(block, 20 + paddedBytes(captured)).get(optionCodes.packet.flags)?.[0];
    return {
      via,
      timeNs: timeNs(time(block, 4)),
      bytes: bytesOf(body, 20, captured),
      lengthBytes: body.getUint32(16, littleEndian),
      direction: directionOf(flags),
    };
  }

  /** Without a time; how much of it there is follows from the lengths. */
  #readSimplePacket(block: Block): CapturedPacket {
    const { body, littleEndian } = block;
    const { via } = this.#interface(0, block);
    const lengthBytes = body.getUint32(0, littleEndian);
    const kept = via.snapBytes === 0 ? lengthBytes : Math.min(lengthBytes, via.snapBytes);
    return { via, timeNs: undefined, bytes: bytesOf(body, 4, kept), lengthBytes };
  }

  #readStatistics(block: Block): CaptureRecord {
    const { via } = this.#interface(block.body.getUint32(0, block.littleEndian), block);
    const options = optionsOf(block, 12);
    const { received, interfaceDropped, dropped } = optionCodes.statistics;
    const count = (code: number) => countOf(options.get(code), block);
    return {
      type: 'statistics',
      statistics: { via, received: count(received), dropped: count(dropped) ?? count(interfaceDropped) },
    };
  }

  #interface(number: number, { at }: Block): KnownInterface {
    const known = this.#interfaces[number];
    if (known === undefined) throw captureFileMalformed(at, `there is no interface ${number}`);
    return known;
  }
}

function isLittleEndian(bytes: DataView, at: number): boolean {
  if (bytes.getUint32(8, true) === byteOrderMagic) return true;
  if (bytes.getUint32(8, false) === byteOrderMagic) return false;
  throw captureFileMalformed(at, 'a section header without the byte-order magic');
}

function readInterface(block: Block): KnownInterface {
  const { body, littleEndian } = block;
  const codes = optionCodes.interface;
  const options = optionsOf(block, 8);
  const filter = options.get(codes.filter);
  const via: CaptureInterface = {
    linkType: body.getUint16(0, littleEndian),
    snapBytes: body.getUint32(4, littleEndian),
    name: textOf(options.get(codes.name)),
    filter: filter?.[0] === 0 ? textOf(filter.subarray(1)) : undefined,
    addresses: addressesOf(block),
  };
  const offset = viewOf64(options.get(codes.timeOffset))?.getBigInt64(0, littleEndian) ?? 0n;
  return { via, timeNs: clockOf(options.get(codes.timeResolution)?.[0] ?? 6, offset) };
}

/** The high bit says: a power of two, else of ten. Microseconds unless told. */
function clockOf(resolution: number, offsetSeconds: bigint): (ticks: bigint) => bigint {
  const exponent = BigInt(resolution & 0x7f);
  const ticksPerSecond = (resolution & 0x80) === 0 ? 10n ** exponent : 2n ** exponent;
  return ticks => (ticks * 1_000_000_000n) / ticksPerSecond + offsetSeconds * 1_000_000_000n;
}

function time({ body, littleEndian }: Block, at: number): bigint {
  return (BigInt(body.getUint32(at, littleEndian)) << 32n) | BigInt(body.getUint32(at + 4, littleEndian));
}

/** The last of several with one code. */
function optionsOf(block: Block, start: number): Map<number, Uint8Array> {
  return new Map(eachOption(block, start));
}

function* eachOption({ body, littleEndian }: Block, start: number): Generator<[number, Uint8Array]> {
  for (let at = start; at + 4 <= body.byteLength; ) {
    const [code, length] = [body.getUint16(at, littleEndian), body.getUint16(at + 2, littleEndian)];
    if (code === 0) return;
    yield [code, bytesOf(body, at + 4, length)];
    at += 4 + paddedBytes(length);
  }
}

function addressesOf(block: Block): IpAddress[] {
  const lengths = new Map<number, number>([
    [optionCodes.interface.ipv4, 4],
    [optionCodes.interface.ipv6, 16],
  ]);
  return [...eachOption(block, 8)].flatMap(([code, value]) => {
    const length = lengths.get(code);
    return length === undefined || value.length < length ? [] : [ipFromBytes(value.subarray(0, length))];
  });
}

/** @throws RangeError beyond the body */
function bytesOf(body: DataView, at: number, length: number): Uint8Array {
  if (at + length > body.byteLength) throw new RangeError('beyond the block');
  return new Uint8Array(body.buffer, body.byteOffset + at, length);
}

function countOf(value: Uint8Array | undefined, { littleEndian }: Block): number | undefined {
  const count = viewOf64(value)?.getBigUint64(0, littleEndian);
  return count === undefined ? undefined : Number(count);
}

function viewOf64(value: Uint8Array | undefined): DataView | undefined {
  return value === undefined || value.length < 8
    ? undefined
    : new DataView(value.buffer, value.byteOffset, 8);
}

const decoder = new TextDecoder();

function textOf(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : decoder.decode(value);
}

function directionOf(flags: number | undefined): CapturedPacket['direction'] {
  if (flags === undefined) return undefined;
  if ((flags & 3) === directionBits.in) return 'in';
  return (flags & 3) === directionBits.out ? 'out' : undefined;
}
