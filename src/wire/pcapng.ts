/**
 * pcapng, the capture file of Wireshark (draft-ietf-opsawg-pcapng): blocks, each with its length before and behind, so
 * that a file can be read from either end; numbers in the order of the machine that wrote them.
 *
 *     type (4)   length (4)   body, its options last   padding to 4 bytes   length (4)
 */

export const blockTypes = {
  section: 0x0a0d0d0a,
  interface: 1,
  /** Obsolete form of a packet, still written by some. */
  oldPacket: 2,
  simplePacket: 3,
  statistics: 5,
  packet: 6,
} as const;

export const byteOrderMagic = 0x1a2b3c4d;

/** Options by block; 0 ends a list. */
export const optionCodes = {
  section: { system: 3, program: 4 },
  interface: { name: 2, ipv4: 4, ipv6: 5, timeResolution: 9, filter: 11, timeOffset: 14 },
  packet: { flags: 2 },
  statistics: { received: 4, interfaceDropped: 5, dropped: 7 },
} as const;

/** The two lowest bits of a packet's flags. */
export const directionBits = { in: 1, out: 2 } as const;

/** Type, and length twice. */
export const blockFrameBytes = 12;

export function paddedBytes(length: number): number {
  return (length + 3) & ~3;
}
