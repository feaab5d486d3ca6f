/**
 * What makes the tunnel fast, fastest first; each can be missing without the others. With none of them the tunnel
 * moves one packet per system call, as flannel's proxy does.
 */
export const abilities = [
  /** TUN with a vnet header: the kernel hands over and takes segments of up to 64 KiB (Linux 2.6.27; UDP: 6.2). */
  'tun-offloads',
  /** Many datagrams to one peer in one message (UDP_SEGMENT, Linux 4.18). */
  'udp-segment',
  /** Many datagrams from one peer in one message (UDP_GRO, Linux 5.0). */
  'udp-gro',
  /** Many messages per system call (recvmmsg, Linux 2.6.33; sendmmsg, 3.0). */
  'batch-calls',
  /** Checksums by WASM SIMD; by JavaScript otherwise. */
  'wasm-checksum',
] as const;

export type Ability = (typeof abilities)[number];
