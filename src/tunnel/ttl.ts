/** What every router does to a packet that it passes on: RFC 1812 section 5.3.1, RFC 8200 section 3. */
import type { Arena } from './arena.ts';

/** What the words of the header lose: TTL is the upper byte of its word. */
const one = 0x0100;

/**
 * Takes one from the TTL, or the hop limit, of the well-formed packet at `offset`; IPv4's checksum follows
 * (RFC 1624, equation 3). False, and nothing is changed, when it was 0 or 1: the packet has come to its end.
 */
export function decrementTtl({ view }: Arena, offset: number): boolean {
  if (view.getUint8(offset) >>> 4 === 6) {
    const hopLimit = view.getUint8(offset + 7);
    if (hopLimit <= 1) return false;
    view.setUint8(offset + 7, hopLimit - 1);
    return true;
  }
  const ttl = view.getUint8(offset + 8);
  if (ttl <= 1) return false;
  view.setUint8(offset + 8, ttl - 1);
  // HC' = ~(~HC + ~m + m'), where m' = m - one.
  const sum = (view.getUint16(offset + 10) ^ 0xffff) + (0xffff - one);
  view.setUint16(offset + 10, ~((sum & 0xffff) + (sum >>> 16)));
  return true;
}
