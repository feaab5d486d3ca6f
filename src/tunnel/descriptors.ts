/** What a tunnel opens, on the main thread. */
import type { IpAddress } from '../base/ip.ts';
import { closeDescriptor } from '../sys/libc.ts';
import { inNetns } from '../sys/netns.ts';
import { sysctl } from '../sys/sysctl.ts';
import { type AttachedTun, attachTun } from '../sys/tun.ts';
import { openUdpSocket, type UdpSocket } from '../sys/udp-socket.ts';
import type { TunnelOptions } from './tunnel.ts';

export interface Sockets {
  readonly ipv4: UdpSocket | undefined;
  readonly ipv6: UdpSocket | undefined;
}

/** For bursts that come while the worker is busy: fifty super-packets, where the kernel's default has room for three. */
const socketBufferBytes = 8 * 1024 * 1024;

/** @throws WeftError */
export function attachDevice(options: TunnelOptions): AttachedTun | undefined {
  const { device: name, netns, without = [] } = options;
  const device = attachTun({ name, netns, offloads: !without.includes('tun-offloads') });
  if (device !== undefined) acceptOwnErrors(options);
  return device;
}

/**
 * An ICMP error from the device's own address would be a martian (net/ipv4/fib_frontend.c fib_validate_source; flannel's
 * are never heard for that reason). What comes from the wire with such a source is no peer's, and dropped before.
 */
function acceptOwnErrors({ device, netns, log }: TunnelOptions): void {
  const key = `net/ipv4/conf/${device}/accept_local`;
  const accept = () => sysctl.write(key, '1');
  try {
    if (netns === undefined) accept();
    else inNetns(netns, accept);
  } catch (err) {
    log.warn({ err }, 'senders are not told by ICMP over IPv4 what goes nowhere');
  }
}

/** @throws WeftError */
export function openDescriptors(options: TunnelOptions): [Sockets, AttachedTun | undefined] {
  const sockets = openSockets(options);
  try {
    return [sockets, attachDevice(options)];
  } catch (error) {
    closeSockets(sockets);
    throw error;
  }
}

function openSockets({ local, port, without = [] }: TunnelOptions): Sockets {
  const receiveOffload = !without.includes('udp-gro');
  const open = (address: IpAddress | undefined): UdpSocket | undefined =>
    address && openUdpSocket({ address, port, bufferBytes: socketBufferBytes, receiveOffload });
  const ipv4 = open(local.ipv4);
  try {
    return { ipv4, ipv6: open(local.ipv6) };
  } catch (error) {
    closeSockets({ ipv4, ipv6: undefined });
    throw error;
  }
}

export function closeSockets({ ipv4, ipv6 }: Sockets): void {
  if (ipv4 !== undefined) closeDescriptor(ipv4.fd);
  if (ipv6 !== undefined) closeDescriptor(ipv6.fd);
}
