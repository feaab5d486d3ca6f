/**
 * One AF_NETLINK descriptor on Node's event loop: what requests and monitors have in common.
 *
 * The kernel handles a request inside sendto(2), so its answers lie in the receive buffer when the call
 * returns.
 */
import { constants } from 'node:os';
import { readU32le } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import type { BpfInstruction } from '../wire/bpf.ts';
import {
  bind,
  boundAddress,
  closeDescriptor,
  type Errno,
  errnoOf,
  lastErrno,
  pointerOf,
  receive,
  sendToKernel,
  setSocketOption,
  socket,
} from './libc.ts';
import { inNetns } from './netns.ts';
import { attachFilter } from './packet-options.ts';
import { ReadableWatch } from './readable.ts';

export interface EndpointOptions {
  /** Path of the network namespace to open the socket in; default: the thread's own. */
  readonly netns?: string | undefined;
  /** Wanted size of the kernel's queue towards us. */
  readonly receiveBufferBytes: number;
  /** Netlink protocol; default: NETLINK_ROUTE. */
  readonly protocol?: number | undefined;
  /** Multicast groups of the protocol to join (RTNLGRP_*). */
  readonly groups?: readonly number[] | undefined;
  /** Runs on each datagram, headers and all: what it returns 0 for is dropped. Default: all are taken. */
  readonly filter?: readonly BpfInstruction[] | undefined;
}

/** What a read may bring. The bytes are only valid during the call. */
export interface EndpointEvents {
  onDatagram(bytes: Uint8Array): void;
  /** ENOBUFS: the kernel dropped messages for want of room. */
  onOverrun(): void;
  /** A read failed in another way: what it would have brought is lost. The endpoint goes on, unless it is closed. */
  onFailure(errno: Errno): void;
}

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const MSG_DONTWAIT_TRUNC = 0x40 | 0x20;

/** The kernel makes dumps of at most 32 KiB a piece; a lone link with many virtual functions can be larger. */
const datagramBytes = 256 * 1024;

/** Reads before the event loop gets its turn, so that a dump of 60,000 entries stalls nobody. */
const readsPerTurn = 256;

export class NetlinkEndpoint {
  /** The number that the kernel chose for the socket, as a rule the process id for the first. */
  readonly port: number;
  readonly #fd: number;
  readonly #events: EndpointEvents;
  readonly #watch: ReadableWatch;
  readonly #buffer = arena(datagramBytes);
  readonly #pointer = pointerOf(this.#buffer);
  #outgoing = arena(64 * 1024);
  /** True from an overrun until the queue has been empty. */
  #behind = false;
  #closed = false;

  private constructor({ fd, port }: OpenSocket, events: EndpointEvents) {
    this.#fd = fd;
    this.port = port;
    this.#events = events;
    this.#watch = new ReadableWatch(fd, () => this.drain());
  }

  /** @throws WeftError `netns-missing`, `syscall-failed` */
  static open(options: EndpointOptions, events: EndpointEvents): NetlinkEndpoint {
    const { netns } = options;
    const opened = netns === undefined ? openSocket(options) : inNetns(netns, () => openSocket(options));
    return new NetlinkEndpoint(opened, events);
  }

  /** @throws WeftError `netlink-closed`, `netlink-send` */
  send(bytes: Uint8Array): void {
    // The number may be somebody else's descriptor by now.
    if (this.#closed) throw closedError();
    if (bytes.length > this.#outgoing.length) this.#outgoing = arena(bytes.length);
    this.#outgoing.set(bytes);
    const sent = sendToKernel(this.#fd, pointerOf(this.#outgoing), bytes.length);
    if (sent === bytes.length) return;
    const { name, words } = lastErrno();
    throw new WeftError(
      'netlink-send',
      `sending ${bytes.length} bytes to netlink failed: ${name} (${words})`,
    );
  }

  /** Reads what is there, at most {@link readsPerTurn} datagrams; the loop calls again for the rest. */
  drain(): void {
    for (let reads = 0; reads < readsPerTurn && !this.#closed; reads++) {
      const length = receive(this.#fd, this.#pointer, datagramBytes, MSG_DONTWAIT_TRUNC);
      const errno = length < 0 ? lastErrno() : undefined;
      if (errno?.name === 'EAGAIN') return void this.#caughtUp();
      if (errno?.name === 'ENOBUFS') this.#overrun();
      else if (errno !== undefined && errno.name !== 'EINTR') this.#fail(errno);
      else if (length > datagramBytes) this.#events.onFailure(errnoOf(constants.errno.EMSGSIZE));
      else if (length > 0) this.#events.onDatagram(this.#buffer.subarray(0, length));
    }
  }

  #overrun(): void {
    this.#behind = true;
    this.#events.onOverrun();
  }

  /**
   * From an overrun on the kernel drops all that comes until the queue is empty, and tells of the first drop alone
   * (net/netlink/af_netlink.c, NETLINK_S_CONGESTED): whoever has looked meanwhile may have looked too early.
   */
  #caughtUp(): void {
    if (!this.#behind) return;
    this.#behind = false;
    this.#events.onOverrun();
  }

  /** An idle endpoint must not keep a program alive that has nothing else to do. */
  unref(): void {
    this.#watch.unref();
  }

  ref(): void {
    this.#watch.ref();
  }

  /** Until {@link resume} what comes waits in the kernel's queue. */
  pause(): void {
    this.#watch.pause();
  }

  resume(): void {
    this.#watch.resume();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeDescriptor(this.#fd);
  }

  /**
   * Most errors are left on the socket by a notice that the kernel could not make (rtnl_set_sk_err), once each; those
   * that say that the descriptor is none would come for ever.
   */
  #fail(errno: Errno): void {
    if (lastingErrors.has(errno.name)) this.close();
    this.#events.onFailure(errno);
  }
}

const lastingErrors: ReadonlySet<string> = new Set(['EBADF', 'ENOTSOCK', 'EFAULT', 'EINVAL']);

export function closedError(): WeftError {
  return new WeftError('netlink-closed', 'the netlink socket is closed');
}

/** Bytes that stay where they are: V8 keeps small arrays on its moving heap, large ones outside. */
function arena(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(Math.max(bytes, 4096)));
}

interface OpenSocket {
  readonly fd: number;
  readonly port: number;
}

function openSocket(options: EndpointOptions): OpenSocket {
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC_NONBLOCK, options.protocol ?? NETLINK_ROUTE);
  try {
    // FORCE may exceed net.core.rmem_max but needs CAP_NET_ADMIN; without it take what is allowed.
    if (!setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBufferBytes)) {
      setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, options.receiveBufferBytes);
    }
    setSocketOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    setSocketOption(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
    setSocketOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    // struct sockaddr_nl: family, padding, port 0 (the kernel chooses), no groups in the bitmap
    bind(fd, Uint8Array.of(AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    if (options.filter !== undefined) attachFilter(fd, options.filter);
    for (const group of options.groups ?? []) {
      if (!setSocketOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)) {
        const { name, words } = lastErrno();
        throw new WeftError('netlink-group', `joining netlink group ${group} failed: ${name} (${words})`);
      }
    }
    // struct sockaddr_nl, as above
    return { fd, port: readU32le(boundAddress(fd, 12), 4) };
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}
