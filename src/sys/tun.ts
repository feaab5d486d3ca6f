/**
 * TUN devices (Documentation/networking/tuntap.rst): a network device whose other end is a descriptor. A persistent one
 * stays when its descriptor is closed, with addresses and routes; a program attaches to it by its name.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { WeftError } from '../base/errors.ts';
import { closeDescriptor, ioctl, ioctlNumber, socket } from './libc.ts';
import { inNetns } from './netns.ts';

/** include/uapi/linux/if_tun.h, sockios.h */
const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOFFLOAD = 0x400454d0;
const TUNGETIFF = 0x800454d2;
const TUNSETVNETHDRSZ = 0x400454d8;
const SIOCGIFINDEX = 0x8933;
const IFF = { TUN: 0x1, TAP: 0x2, NO_PI: 0x1000, VNET_HDR: 0x4000, PERSIST: 0x800 } as const;
const TUN_F = { CSUM: 0x1, TSO4: 0x2, TSO6: 0x4, TSO_ECN: 0x8, USO4: 0x20, USO6: 0x40 } as const;
const tcpOffloads = TUN_F.CSUM | TUN_F.TSO4 | TUN_F.TSO6 | TUN_F.TSO_ECN;
const [AF_INET, SOCK_DGRAM_CLOEXEC] = [2, 2 | 0x80000];

/** Kernel's name length, with its NUL (IFNAMSIZ). */
const nameBytes = 16;
const ifreqBytes = 40;

export interface TunMode {
  readonly name: string;
  readonly mode: 'tun' | 'tap';
}

/**
 * `ip tuntap add dev NAME mode tun`: makes a persistent device. One that is there already, even with a program attached,
 * counts as made.
 * @param netns path of a network namespace; default: the calling thread's own
 * @throws WeftError `tun-unavailable`, `tun-kind` when there is another device of that name, `netns-missing`
 */
export function makePersistentTun(device: TunMode, netns?: string): void {
  within(netns, () => {
    const fd = openControl();
    try {
      const flags = device.mode === 'tun' ? IFF.TUN : IFF.TAP;
      try {
        ioctl(fd, TUNSETIFF, request(device.name, flags | IFF.NO_PI));
      } catch (error) {
        if (errnoOf(error) === EBUSY) return;
        throw refusal(device.name, error);
      }
      ioctlNumber(fd, TUNSETPERSIST, 1);
    } finally {
      closeSync(fd);
    }
  });
}

export interface AttachOptions {
  readonly name: string;
  /** Path of the network namespace that the device is in; default: the calling thread's own. */
  readonly netns?: string | undefined;
  /** Ask for super-packets and vnet headers. */
  readonly offloads: boolean;
}

export interface AttachedTun {
  /** Nonblocking; one packet for each read and write. Closed by the caller. */
  readonly fd: number;
  /** Each packet has a struct virtio_net_hdr of 10 bytes before it. */
  readonly vnetHeader: boolean;
  /** The kernel takes UDP super-packets, too (Linux 6.2). */
  readonly udpOffloads: boolean;
}

/**
 * Attaches to a persistent device. Undefined when there is none of that name, or only one that will vanish.
 * @throws WeftError `tun-unavailable`, `tun-busy` when another program is attached, `tun-kind`, `netns-missing`
 */
export function attachTun({ name, netns, offloads }: AttachOptions): AttachedTun | undefined {
  return within(netns, () => {
    // TUNSETIFF would make one.
    if (!exists(name)) return undefined;
    const fd = openControl();
    try {
      const attached = attach(fd, name, offloads);
      if (attached === undefined) closeSync(fd);
      return attached;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  });
}

function attach(fd: number, name: string, offloads: boolean): AttachedTun | undefined {
  const vnetHeader = offloads && tryAttach(fd, name, IFF.TUN | IFF.NO_PI | IFF.VNET_HDR);
  if (!vnetHeader && !tryAttach(fd, name, IFF.TUN | IFF.NO_PI)) throw kindError(name);
  // It vanished in between, and this one would go with us.
  if (!isPersistent(fd)) return undefined;
  if (vnetHeader) ioctl(fd, TUNSETVNETHDRSZ, Uint8Array.of(10, 0, 0, 0));
  const udpOffloads = vnetHeader && setOffloads(fd, tcpOffloads | TUN_F.USO4 | TUN_F.USO6);
  // The device remembers what the last program asked for.
  if (!udpOffloads) setOffloads(fd, vnetHeader ? tcpOffloads : 0);
  return { fd, vnetHeader, udpOffloads };
}

/** False when the kernel refuses the flags, or the device is no TUN. */
function tryAttach(fd: number, name: string, flags: number): boolean {
  try {
    ioctl(fd, TUNSETIFF, request(name, flags));
    return true;
  } catch (error) {
    if (errnoOf(error) === EINVAL) return false;
    throw refusal(name, error);
  }
}

function setOffloads(fd: number, offloads: number): boolean {
  try {
    ioctlNumber(fd, TUNSETOFFLOAD, offloads);
    return true;
  } catch {
    return false;
  }
}

function isPersistent(fd: number): boolean {
  const answer = request('', 0);
  ioctl(fd, TUNGETIFF, answer);
  return (((answer[nameBytes] ?? 0) | ((answer[nameBytes + 1] ?? 0) << 8)) & IFF.PERSIST) !== 0;
}

function exists(name: string): boolean {
  const fd = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  try {
    ioctl(fd, SIOCGIFINDEX, request(name, 0));
    return true;
  } catch (error) {
    if (errnoOf(error) === ENODEV) return false;
    throw error;
  } finally {
    closeDescriptor(fd);
  }
}

function openControl(): number {
  try {
    return openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    throw new WeftError('tun-unavailable', 'opening /dev/net/tun failed', {
      cause,
      remedy: 'modprobe tun; in a container, give it the device /dev/net/tun and CAP_NET_ADMIN',
    });
  }
}

/** struct ifreq: name, then flags or a number. */
function request(name: string, flags: number): Uint8Array {
  const bytes = new Uint8Array(ifreqBytes);
  const text = new TextEncoder().encode(name);
  if (text.length >= nameBytes) {
    throw new WeftError('tun-name', `a device name has at most ${nameBytes - 1} bytes, got ${name}`);
  }
  bytes.set(text);
  bytes[nameBytes] = flags;
  bytes[nameBytes + 1] = flags >>> 8;
  return bytes;
}

function refusal(name: string, cause: unknown): WeftError {
  const errno = errnoOf(cause);
  if (errno === EBUSY) {
    return new WeftError('tun-busy', `another program is attached to the TUN device ${name}`, {
      cause,
      remedy: `find it with: grep -ls 'iff:.*${name}$' /proc/*/fdinfo/*`,
    });
  }
  if (errno === EINVAL) return kindError(name);
  return new WeftError('tun-unavailable', `attaching to the TUN device ${name} failed`, {
    cause,
    remedy: 'run as root, or with CAP_NET_ADMIN in the network namespace of the device',
  });
}

function kindError(name: string): WeftError {
  return new WeftError('tun-kind', `the device ${name} is no TUN device with a single queue`, {
    remedy: `see what it is with \`ip -d link show ${name}\`, and delete or rename it`,
  });
}

function within<T>(netns: string | undefined, action: () => T): T {
  return netns === undefined ? action() : inNetns(netns, action);
}

const [EBUSY, ENODEV, EINVAL] = [16, 19, 22];

function errnoOf(error: unknown): number | undefined {
  return (error as NodeJS.ErrnoException).errno;
}
