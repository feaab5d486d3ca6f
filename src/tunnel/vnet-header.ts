/**
 * struct virtio_net_hdr (include/uapi/linux/virtio_net.h), which stands before each packet of a TUN device with
 * IFF_VNET_HDR: what remains to be done to the packet, in the host's byte order (little-endian where Weft runs).
 *
 *     0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset
 */

export const vnetHeaderBytes = 10;

/** flags: the checksum field holds the pseudo header's sum only. */
export const needsChecksum = 1;

/** gso_type; `ecn` beside another says that the first segment bears CWR. */
export const gso = { none: 0, tcp4: 1, tcp6: 4, udp: 5, ecn: 0x80 } as const;

/**
 * For a super-packet that the kernel may or must take apart.
 * @param headerBytes of all its headers
 * @param segmentBytes of payload in each segment but the last
 */
export function writeVnetHeader(
  view: DataView,
  at: number,
  gsoType: number,
  headerBytes: number,
  segmentBytes: number,
): void {
  view.setUint8(at, needsChecksum);
  view.setUint8(at + 1, gsoType);
  view.setUint16(at + 2, headerBytes, true);
  view.setUint16(at + 4, segmentBytes, true);
}

/** Where the transport header begins, and where in it the checksum stands. */
export function writeChecksumPlace(view: DataView, at: number, start: number, offset: number): void {
  view.setUint16(at + 6, start, true);
  view.setUint16(at + 8, offset, true);
}
