/** Why a packet is not passed on. Numbers are for the data path, names for logs and metrics. */

/** 0 is "not dropped". */
export const drop = {
  none: 0,
  /** Shorter than its header says or than a header is, or longer than the buffer it was read into. */
  truncated: 1,
  /** Neither IPv4 nor IPv6. */
  'not-ip': 2,
  /** An IPv4 header length that no header has. */
  'header-length': 3,
  /** Longer than its header says. */
  'trailing-bytes': 4,
  /** The IPv4 header's checksum is wrong. */
  'header-checksum': 5,
  /** A fragment that reaches beyond 65,535 bytes. */
  'fragment-overflow': 6,
  /** A virtio-net header that does not fit the packet behind it. */
  'bad-offload': 7,
  'no-route': 8,
  'ttl-exceeded': 9,
  'too-big': 10,
  /** From an address that is no peer's. */
  'unknown-sender': 11,
  /** From a peer, but with an inner source outside its subnet. */
  'foreign-source': 12,
  /** Its address belongs to no peer, or would come back to us. */
  'foreign-destination': 13,
  /** The kernel takes no more for the TUN device. */
  'device-full': 14,
  /** The kernel refuses it for the TUN device. */
  'device-refused': 15,
  /** The socket takes no more. */
  'socket-full': 16,
  /** The kernel refuses to send it. */
  'socket-refused': 17,
} as const;

export type DropReason = keyof typeof drop;

/** Names by number. */
export const dropReasons: readonly DropReason[] = Object.keys(drop) as DropReason[];
