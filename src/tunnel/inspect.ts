/** Is it an IP packet at all? Asked once of each packet, before anything else reads it. */
import type { Arena } from './arena.ts';
import { drop } from './drop-reasons.ts';

export { drop, dropReasons } from './drop-reasons.ts';

const ipv4HeaderBytes = 20;
const ipv6HeaderBytes = 40;

/**
 * 0 when the `length` bytes at `offset` are exactly one well-formed IPv4 (RFC 791) or IPv6 (RFC 8200) packet as far as
 * a router looks: version, lengths, IPv4's header checksum. Otherwise why not, a number of `drop`. Jumbograms
 * (RFC 2675) do not fit a datagram and are refused.
 */
export function inspect(arena: Arena, offset: number, length: number): number {
  if (length < ipv4HeaderBytes) return drop.truncated;
  const version = arena.view.getUint8(offset) >>> 4;
  if (version === 4) return inspectIpv4(arena, offset, length);
  return version === 6 ? inspectIpv6(arena, offset, length) : drop['not-ip'];
}

function inspectIpv4(arena: Arena, offset: number, length: number): number {
  const { view } = arena;
  const headerBytes = (view.getUint8(offset) & 0xf) << 2;
  const totalBytes = view.getUint16(offset + 2);
  if (headerBytes < ipv4HeaderBytes || headerBytes > totalBytes) return drop['header-length'];
  if (totalBytes !== length) return totalBytes > length ? drop.truncated : drop['trailing-bytes'];
  if (arena.sum(offset, headerBytes) !== 0xffff) return drop['header-checksum'];
  const fragmentOffset = (view.getUint16(offset + 6) & 0x1fff) << 3;
  return fragmentOffset + totalBytes - headerBytes > 0xffff ? drop['fragment-overflow'] : drop.none;
}

function inspectIpv6({ view }: Arena, offset: number, length: number): number {
  if (length < ipv6HeaderBytes) return drop.truncated;
  const totalBytes = ipv6HeaderBytes + view.getUint16(offset + 4);
  if (totalBytes === length) return drop.none;
  return totalBytes > length ? drop.truncated : drop['trailing-bytes'];
}
