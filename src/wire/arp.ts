/** ARP for IPv4 over Ethernet: RFC 826. */
import { readU16be } from '../base/bytes.ts';
import { type IpAddress, ipFromBytes } from '../base/ip.ts';
import { type Mac, macFromBytes } from '../base/mac.ts';
import { packetMalformed, requireBytes } from './packet-layer.ts';

export interface ArpPacket {
  readonly operation: 'request' | 'reply' | number;
  readonly senderMac: Mac;
  readonly sender: IpAddress;
  readonly targetMac: Mac;
  readonly target: IpAddress;
}

const packetBytes = 28;
/** Ethernet, IPv4, and the lengths of their addresses. */
const expected = [0x0001, 0x0800, 0x0604] as const;

/** @param bytes what follows the EtherType; padding behind is ignored @throws WeftError `packet-malformed` */
export function decodeArp(bytes: Uint8Array): ArpPacket {
  requireBytes(bytes, packetBytes, 'an ARP packet');
  const kind = [0, 2, 4].map(at => readU16be(bytes, at));
  if (expected.some((value, index) => kind[index] !== value))
    throw packetMalformed('expected ARP for IPv4 over Ethernet, got another kind');
  const operation = readU16be(bytes, 6);
  return {
    operation: operation === 1 ? 'request' : operation === 2 ? 'reply' : operation,
    senderMac: macFromBytes(bytes.subarray(8, 14)),
    sender: ipFromBytes(bytes.subarray(14, 18)),
    targetMac: macFromBytes(bytes.subarray(18, 24)),
    target: ipFromBytes(bytes.subarray(24, 28)),
  };
}
