/** UDP sockets for a data path: bound, nonblocking, with large buffers, and with what offloads the kernel has. */
import { WeftError } from '../base/errors.ts';
import { familyOf, type IpAddress, ipToBytes } from '../base/ip.ts';
import { bind, closeDescriptor, setSocketOption, socket } from './libc.ts';

export interface UdpSocketOptions {
  readonly address: IpAddress;
  readonly port: number;
  /** Room in each direction for bursts; less where the kernel allows less. */
  readonly bufferBytes: number;
  /** Ask for many datagrams of one sender in one message. */
  readonly receiveOffload: boolean;
}

export interface UdpSocket {
  /** Closed by the caller. */
  readonly fd: number;
  /** Messages may come with UDP_GRO (udp(7), Linux 5.0). */
  readonly receiveOffload: boolean;
  /** Messages may go with UDP_SEGMENT (udp(7), Linux 4.18). */
  readonly sendOffload: boolean;
}

const AF = { 4: 2, 6: 10 } as const;
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0x80000 | 0x800;
const [SOL_SOCKET, SOL_UDP, SOL_IPV6] = [1, 17, 41];
const SO = { SNDBUF: 7, RCVBUF: 8, SNDBUFFORCE: 32, RCVBUFFORCE: 33 } as const;
const [UDP_SEGMENT, UDP_GRO] = [103, 104];
const IPV6_V6ONLY = 26;

/**
 * Opens a socket in the calling thread's network namespace. Path MTU discovery is the kernel's default: a datagram that
 * does not fit the path goes in fragments.
 * @throws WeftError `udp-port-in-use`, `udp-address-missing`, `syscall-failed`
 */
export function openUdpSocket(options: UdpSocketOptions): UdpSocket {
  const { address, bufferBytes } = options;
  const family = familyOf(address);
  const fd = socket(AF[family], SOCK_DGRAM_CLOEXEC_NONBLOCK, 0);
  try {
    if (family === 6) setSocketOption(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    for (const [force, plain] of [
      [SO.RCVBUFFORCE, SO.RCVBUF],
      [SO.SNDBUFFORCE, SO.SNDBUF],
    ] as const) {
      // FORCE may exceed net.core.?mem_max but needs CAP_NET_ADMIN.
      if (!setSocketOption(fd, SOL_SOCKET, force, bufferBytes)) {
        setSocketOption(fd, SOL_SOCKET, plain, bufferBytes);
      }
    }
    const receiveOffload = options.receiveOffload && setSocketOption(fd, SOL_UDP, UDP_GRO, 1);
    // 0 is "none", which only a kernel that knows the option takes.
    const sendOffload = setSocketOption(fd, SOL_UDP, UDP_SEGMENT, 0);
    bindTo(fd, options);
    return { fd, receiveOffload, sendOffload };
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

function bindTo(fd: number, { address, port }: UdpSocketOptions): void {
  try {
    bind(fd, socketAddress(address, port));
  } catch (cause) {
    const { errno } = cause as NodeJS.ErrnoException;
    if (errno === EADDRINUSE) {
      throw new WeftError('udp-port-in-use', `UDP port ${port} of ${address} is in use`, {
        cause,
        remedy: `find who has it with \`ss -ulpn sport = ${port}\`, and end it or choose another port`,
      });
    }
    if (errno === EADDRNOTAVAIL) {
      throw new WeftError('udp-address-missing', `${address} is no address of this host`, {
        cause,
        remedy: 'see the addresses with `ip address`',
      });
    }
    throw cause;
  }
}

/** struct sockaddr_in or sockaddr_in6; the family in the host's order (little-endian), the rest in network order. */
export function socketAddress(address: IpAddress, port: number): Uint8Array {
  const bytes = ipToBytes(address);
  const family = familyOf(address);
  const whole = new Uint8Array(family === 4 ? 16 : 28);
  whole.set([AF[family], 0, port >>> 8, port & 0xff]);
  whole.set(bytes, family === 4 ? 4 : 8);
  return whole;
}

const [EADDRINUSE, EADDRNOTAVAIL] = [98, 99];
