/** Writes pcapng; see pcapng.ts. Little-endian, times in nanoseconds. */
import { ByteWriter } from '../base/bytes.ts';
import { familyOf, ipToBytes } from '../base/ip.ts';
import type { CapturedPacket, CaptureInterface, CaptureStatistics } from './pcap-record.ts';
import {
  blockFrameBytes,
  blockTypes,
  byteOrderMagic,
  directionBits,
  optionCodes,
  paddedBytes,
} from './pcapng.ts';

/** The block that a file begins with. @param program who writes, such as `weft 0.1.0` */
export function encodeSection({ system, program }: { system: string; program: string }): Uint8Array {
  return block(blockTypes.section, body => {
    // Version 1.0; the length is not known yet.
    body.u32le(byteOrderMagic).u16le(1).u16le(0).u32le(0xffff_ffff).u32le(0xffff_ffff);
    writeText(body, optionCodes.section.system, system);
    writeText(body, optionCodes.section.program, program);
  });
}

/** Interfaces are numbered from 0 in the order in which they are written. */
export function encodeInterface({
  linkType,
  snapBytes,
  name,
  filter,
  addresses = [],
}: CaptureInterface): Uint8Array {
  const codes = optionCodes.interface;
  return block(blockTypes.interface, body => {
    body.u16le(linkType).u16le(0).u32le(snapBytes);
    if (name !== undefined) writeText(body, codes.name, name);
    for (const address of addresses) {
      const bytes = ipToBytes(address);
      // With the prefix: a mask for IPv4, its length for IPv6. The address alone counts here.
      if (familyOf(address) === 4) writeOption(body, codes.ipv4, Uint8Array.of(...bytes, 255, 255, 255, 255));
      else writeOption(body, codes.ipv6, Uint8Array.of(...bytes, 128));
    }
    writeOption(body, codes.timeResolution, Uint8Array.of(9));
    // The first byte tells the language: 0 is tcpdump's.
    if (filter !== undefined) writeText(body, codes.filter, `\0${filter}`);
  });
}

/** @param interfaceNumber of the packet's interface, in place of `via` */
export function encodePacket(packet: Omit<CapturedPacket, 'via'>, interfaceNumber: number): Uint8Array {
  const { timeNs = 0n, bytes, lengthBytes, direction } = packet;
  return block(blockTypes.packet, body => {
    writeTime(body.u32le(interfaceNumber), timeNs);
    body
      .u32le(bytes.length)
      .u32le(lengthBytes)
      .bytes(bytes)
      .zeros(paddedBytes(bytes.length) - bytes.length);
    if (direction !== undefined) {
      writeOption(
        body,
        optionCodes.packet.flags,
        new ByteWriter(4).u32le(directionBits[direction]).toBytes(),
      );
    }
  });
}

/** @param timeNs when the counts were taken */
export function encodeStatistics(
  { received, dropped }: Omit<CaptureStatistics, 'via'>,
  interfaceNumber: number,
  timeNs: bigint,
): Uint8Array {
  const codes = optionCodes.statistics;
  return block(blockTypes.statistics, body => {
    writeTime(body.u32le(interfaceNumber), timeNs);
    if (received !== undefined) writeOption(body, codes.received, bytesOf64(received));
    if (dropped !== undefined) writeOption(body, codes.dropped, bytesOf64(dropped));
  });
}

/** With an end of options, which is needed only behind some, and never wrong. */
function block(type: number, fill: (body: ByteWriter) => void): Uint8Array {
  const body = new ByteWriter(256);
  fill(body);
  body.zeros(4);
  const length = body.length + blockFrameBytes;
  return new ByteWriter(length).u32le(type).u32le(length).bytes(body.toBytes()).u32le(length).toBytes();
}

function writeOption(body: ByteWriter, code: number, value: Uint8Array): void {
  body
    .u16le(code)
    .u16le(value.length)
    .bytes(value)
    .zeros(paddedBytes(value.length) - value.length);
}

const encoder = new TextEncoder();

function writeText(body: ByteWriter, code: number, text: string): void {
  writeOption(body, code, encoder.encode(text));
}

/** High half first, whatever the order within the halves. */
function writeTime(body: ByteWriter, timeNs: bigint): void {
  body.u32le(Number((timeNs >> 32n) & 0xffff_ffffn)).u32le(Number(timeNs & 0xffff_ffffn));
}

function bytesOf64(value: number): Uint8Array {
  return new ByteWriter(8)
    .u32le(value >>> 0)
    .u32le(Math.floor(value / 0x1_0000_0000))
    .toBytes();
}
