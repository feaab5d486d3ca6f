/**
 * The C library by FFI: the calls that Node has no door to. Numbers are checked here because koffi does not:
 * it makes 0 of NaN, and descriptor 0 is somebody's (measured, November 2026).
 */
import { constants } from 'node:os';
import koffi from 'koffi';
import { WeftError } from '../base/errors.ts';

const libc = koffi.load(null);

const calls = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, void *address, uint32 length)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, void *value, uint32 length)'),
  sendto: libc.func(
    'int64 sendto(int fd, intptr_t bytes, size_t length, int flags, void *to, uint32 toLength)',
  ),
  recv: libc.func('int64 recv(int fd, intptr_t bytes, size_t length, int flags)'),
  close: libc.func('int close(int fd)'),
  setns: libc.func('int setns(int fd, int type)'),
  strerror: libc.func('str strerror(int errno)'),
};

/** Why a call failed: errno as number and name, with the C library's words. */
export interface Errno {
  readonly number: number;
  /** Such as `ENOBUFS`; `errno 530` when nobody knows a name. */
  readonly name: string;
  readonly words: string;
}

/** Linux gives EOPNOTSUPP and ENOTSUP, EAGAIN and EWOULDBLOCK the same number: the kernel's own name wins. */
const errnoNames = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => name !== 'ENOTSUP' && name !== 'EWOULDBLOCK')
    .map(([name, number]) => [number, name]),
);

/** @param number positive errno */
export function errnoOf(number: number): Errno {
  return { number, name: errnoNames.get(number) ?? `errno ${number}`, words: calls.strerror(number) };
}

/** Errno of the call just made; ask before anything else runs. */
export function lastErrno(): Errno {
  return errnoOf(koffi.errno());
}

/** @throws WeftError `syscall-failed` */
export function socket(domain: number, type: number, protocol: number): number {
  return check(calls.socket(domain, type, protocol), () => `socket(${domain}, ${type}, ${protocol})`);
}

/** @throws WeftError `syscall-failed` */
export function bind(fd: number, address: Uint8Array): void {
  check(calls.bind(descriptor(fd), address, address.length), () => `bind(${fd})`);
}

/** Sets a socket option that is an int; false when the kernel refuses, as old kernels and missing privileges do. */
export function setSocketOption(fd: number, level: number, name: number, value: number): boolean {
  return calls.setsockopt(descriptor(fd), level, name, Int32Array.of(value), 4) === 0;
}

/**
 * Sends `length` bytes at `pointer` to the kernel (netlink port 0).
 * @returns bytes sent, or -1 with {@link lastErrno}
 */
export function sendToKernel(fd: number, pointer: number, length: number): number {
  return Number(calls.sendto(descriptor(fd), pointer, length, 0, kernelAddress, kernelAddress.length));
}

/** struct sockaddr_nl of the kernel: AF_NETLINK, port 0, no groups. */
const kernelAddress = Uint8Array.of(16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

/**
 * Sends a datagram to `address`, a struct sockaddr.
 * @returns bytes sent, or -1 with {@link lastErrno}
 */
export function sendDatagramTo(fd: number, bytes: Uint8Array, address: Uint8Array): number {
  // Small arrays lie on V8's moving heap; this one does not.
  const arena = new Uint8Array(new ArrayBuffer(Math.max(4096, bytes.length)));
  arena.set(bytes);
  return Number(calls.sendto(descriptor(fd), pointerOf(arena), bytes.length, 0, address, address.length));
}

/** @returns bytes received (the whole length with MSG_TRUNC), or -1 with {@link lastErrno} */
export function receive(fd: number, pointer: number, length: number, flags: number): number {
  return Number(calls.recv(descriptor(fd), pointer, length, flags));
}

/** @throws WeftError `syscall-failed` */
export function closeDescriptor(fd: number): void {
  check(calls.close(descriptor(fd)), () => `close(${fd})`);
}

/** Moves the calling thread into the namespace behind `fd`. @throws WeftError `syscall-failed` */
export function setNamespace(fd: number, type: number): void {
  check(calls.setns(descriptor(fd), type), () => `setns(${fd}, 0x${type.toString(16)})`);
}

/** Where the bytes of `buffer` lie. The caller keeps the buffer alive: koffi does not. */
export function pointerOf(buffer: Uint8Array): number {
  return Number(koffi.address(buffer));
}

function descriptor(fd: number): number {
  if (!Number.isInteger(fd) || fd < 0)
    throw new WeftError('descriptor-invalid', `not a file descriptor: ${fd}`);
  return fd;
}

function check(result: number, what: () => string): number {
  if (result >= 0) return result;
  const { number, name, words } = lastErrno();
  const error = new WeftError('syscall-failed', `${what()} failed: ${name} (${words})`);
  throw Object.assign(error, { errno: number });
}
