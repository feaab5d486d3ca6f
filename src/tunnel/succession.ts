/**
 * Could segmentation have made this packet after that one? `head` is the first packet of a super-packet, `packet` the one
 * at hand; both are well-formed, without IPv4 options or IPv6 extension headers, and whole.
 */

export const tcpFlags = { FIN: 0x01, PSH: 0x08, ACK: 0x10, ECE: 0x40, CWR: 0x80 } as const;

const dontFragment = 0x4000;

/** Same addresses, ports and protocol. */
export function isSameFlow(view: DataView, head: number, packet: number): boolean {
  const isSix = view.getUint8(packet) >>> 4 === 6;
  if (isSix !== (view.getUint8(head) >>> 4 === 6)) return false;
  const protocol = isSix ? 6 : 9;
  if (view.getUint8(head + protocol) !== view.getUint8(packet + protocol)) return false;
  // Addresses and ports lie side by side.
  for (let at = isSix ? 8 : 12; at <= (isSix ? 40 : 20); at += 4) {
    if (view.getInt32(head + at) !== view.getInt32(packet + at)) return false;
  }
  return true;
}

/** The same IP header, but for lengths. @param distance of `packet` from `head`, for the identification */
export function continuesIp(view: DataView, head: number, packet: number, distance: number): boolean {
  if (view.getUint8(packet) >>> 4 === 6) {
    // Traffic class and flow label, hop limit.
    if (view.getInt32(packet) !== view.getInt32(head)) return false;
    return view.getUint8(packet + 7) === view.getUint8(head + 7);
  }
  const fragmentation = view.getUint16(packet + 6);
  if (view.getUint8(packet + 1) !== view.getUint8(head + 1)) return false;
  if (view.getUint8(packet + 8) !== view.getUint8(head + 8)) return false;
  if (fragmentation !== view.getUint16(head + 6)) return false;
  // RFC 6864 section 4.1: with DF the identification means nothing.
  if (fragmentation === dontFragment) return true;
  return ((view.getUint16(head + 4) + distance) & 0xffff) === view.getUint16(packet + 4);
}

/** The same TCP header, but for the sequence number and what only a last segment bears. */
export function isLikeTcp(view: DataView, there: number, here: number, headerBytes: number): boolean {
  if (view.getInt32(here + 8) !== view.getInt32(there + 8)) return false;
  // Header length, flags, window.
  const ignored = (tcpFlags.FIN | tcpFlags.PSH) << 16;
  if (((view.getInt32(here + 12) ^ view.getInt32(there + 12)) & ~ignored) !== 0) return false;
  for (let option = 20; option < headerBytes; option += 4) {
    if (view.getInt32(here + option) !== view.getInt32(there + option)) return false;
  }
  return true;
}
