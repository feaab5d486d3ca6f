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
  getsockname: libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32 *length)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, void *value, uint32 length)'),
  sendto: libc.func(
    'int64 sendto(int fd, intptr_t bytes, size_t length, int flags, void *to, uint32 toLength)',
  ),
  recv: libc.func('int64 recv(int fd, intptr_t bytes, size_t length, int flags)'),
  close: libc.func('int close(int fd)'),
  setns: libc.func('int setns(int fd, int type)'),
  ioctl: libc.func('int ioctl(int fd, unsigned long request, void *argument)'),
  ioctlNumber: libc.func('int ioctl(int fd, unsigned long request, intptr_t argument)'),
  read: libc.func('int64 read(int fd, intptr_t bytes, size_t length)'),
  write: libc.func('int64 write(int fd, intptr_t bytes, size_t length)'),
  writev: libc.func('int64 writev(int fd, intptr_t pieces, int count)'),
  poll: libc.func('int poll(intptr_t descriptors, unsigned long count, int timeoutMs)'),
  recvmsg: libc.func('int64 recvmsg(int fd, intptr_t message, int flags)'),
  sendmsg: libc.func('int64 sendmsg(int fd, intptr_t message, int flags)'),
  recvmmsg: libc.func('int recvmmsg(int fd, intptr_t messages, uint32 count, int flags, intptr_t timeout)'),
  sendmmsg: libc.func('int sendmmsg(int fd, intptr_t messages, uint32 count, int flags)'),
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

/** The address a socket is bound to: `bytes` of a struct sockaddr. @throws WeftError `syscall-failed` */
export function boundAddress(fd: number, bytes: number): Uint8Array {
  const address = new Uint8Array(bytes);
  check(calls.getsockname(descriptor(fd), address, [bytes]), () => `getsockname(${fd})`);
  return address;
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

/** ioctl(2) with a structure. @throws WeftError `syscall-failed`, with `errno` */
export function ioctl(fd: number, request: number, argument: Uint8Array): void {
  check(calls.ioctl(descriptor(fd), request, argument), () => `ioctl(${fd}, 0x${request.toString(16)})`);
}

/** ioctl(2) with a number. @throws WeftError `syscall-failed`, with `errno` */
export function ioctlNumber(fd: number, request: number, argument: number): void {
  check(
    calls.ioctlNumber(descriptor(fd), request, argument),
    () => `ioctl(${fd}, 0x${request.toString(16)})`,
  );
}

/*
 * What a data path calls for each packet or batch: pointers are numbers, and a failure is -1 with {@link errnoNumber}.
 */

/** Errno of the call just made, without its name. */
export function errnoNumber(): number {
  return koffi.errno();
}

export function read(fd: number, pointer: number, length: number): number {
  return Number(calls.read(descriptor(fd), pointer, length));
}

export function write(fd: number, pointer: number, length: number): number {
  return Number(calls.write(descriptor(fd), pointer, length));
}

/** @param pieces where an array of `count` struct iovec lies */
export function writev(fd: number, pieces: number, count: number): number {
  return Number(calls.writev(descriptor(fd), pieces, count));
}

/** @param descriptors where an array of `count` struct pollfd lies */
export function poll(descriptors: number, count: number, timeoutMs: number): number {
  return calls.poll(descriptors, count, timeoutMs);
}

/** @param message where a struct msghdr lies */
export function receiveMessage(fd: number, message: number, flags: number): number {
  return Number(calls.recvmsg(descriptor(fd), message, flags));
}

/** @param message where a struct msghdr lies */
export function sendMessage(fd: number, message: number, flags: number): number {
  return Number(calls.sendmsg(descriptor(fd), message, flags));
}

/** @param messages where an array of `count` struct mmsghdr lies */
export function receiveMessages(fd: number, messages: number, count: number, flags: number): number {
  return calls.recvmmsg(descriptor(fd), messages, count, flags, 0);
}

/** @param messages where an array of `count` struct mmsghdr lies */
export function sendMessages(fd: number, messages: number, count: number, flags: number): number {
  return calls.sendmmsg(descriptor(fd), messages, count, flags);
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
