/** TCP headers, as far as a capture shows them: RFC 9293 section 3.1. */
import { readU8, readU16be, readU32be } from '../base/bytes.ts';
import { type Decoded, packetMalformed, requireBytes } from './packet-layer.ts';

export interface TcpHeader {
  readonly layer: 'tcp';
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  /** In the order of {@link tcpFlagNames}. */
  readonly flags: readonly TcpFlag[];
  readonly window: number;
}

export type TcpFlag = (typeof tcpFlagNames)[number];

/** From the lowest bit on. */
export const tcpFlagNames = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'] as const;

const leastBytes = 20;

/** @throws WeftError `packet-malformed` */
export function decodeTcp(bytes: Uint8Array): Decoded<TcpHeader> {
  requireBytes(bytes, leastBytes, 'a TCP header');
  const headerBytes = (readU8(bytes, 12) >>> 4) * 4;
  if (headerBytes < leastBytes)
    throw packetMalformed(`a TCP header has at least 20 bytes, not ${headerBytes}`);
  requireBytes(bytes, headerBytes, 'this TCP header');
  const bits = readU8(bytes, 13);
  const header: TcpHeader = {
    layer: 'tcp',
    sourcePort: readU16be(bytes, 0),
    destinationPort: readU16be(bytes, 2),
    sequence: readU32be(bytes, 4),
    acknowledgement: readU32be(bytes, 8),
    flags: tcpFlagNames.filter((_, bit) => ((bits >>> bit) & 1) === 1),
    window: readU16be(bytes, 14),
  };
  return { header, payload: bytes.subarray(headerBytes) };
}
