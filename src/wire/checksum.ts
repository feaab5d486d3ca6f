/** The Internet checksum of IP, UDP and ICMP: RFC 1071. */
import { readU16be } from '../base/bytes.ts';
import { type IpAddress, ipToBytes } from '../base/ip.ts';

/**
 * Ones' complement of the ones' complement sum of 16-bit words, an odd last byte padded with zero. Over bytes that
 * hold their own checksum it is 0 when that checksum is right.
 * @param sum words to count in beforehand: {@link pseudoHeaderSum}
 */
export function internetChecksum(bytes: Uint8Array, sum = 0): number {
  // Carries are folded at the end (RFC 1071 section 2): a double holds the sum of any packet exactly.
  let total = sum;
  const whole = bytes.length & ~1;
  for (let at = 0; at < whole; at += 2) total += readU16be(bytes, at);
  if (whole < bytes.length) total += (bytes[whole] ?? 0) << 8;
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return ~total & 0xffff;
}

/**
 * The words of the pseudo header that UDP (RFC 768) and, over IPv6, ICMP (RFC 8200 section 8.1) count in, so that a
 * packet delivered to a wrong address is noticed.
 */
export function pseudoHeaderSum(ends: PacketEnds, protocol: number, lengthBytes: number): number {
  let sum = protocol + (lengthBytes & 0xffff) + (lengthBytes >>> 16);
  for (const address of [ends.source, ends.destination]) {
    const bytes = ipToBytes(address);
    for (let at = 0; at < bytes.length; at += 2) sum += readU16be(bytes, at);
  }
  return sum;
}

/** The addresses of the IP header around it; both of one family. */
export interface PacketEnds {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}
