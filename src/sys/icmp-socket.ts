/**
 * ICMP to many, and their answers: raw(7), or for a program that may not open one the ping socket of icmp(7), which needs
 * no capability but a group of `net.ipv4.ping_group_range`.
 */
import koffi from 'koffi';
import { readU8 } from '../base/bytes.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import type { Family, IpAddress } from '../base/ip.ts';
import { ipProtocols } from '../wire/ipv4.ts';
import {
  closeDescriptor,
  type Errno,
  errnoNumber,
  lastErrno,
  pointerOf,
  receive,
  sendMessage,
  setSocketOption,
  socket,
} from './libc.ts';
import { ReadableWatch } from './readable.ts';
import { socketAddress } from './udp-socket.ts';

export interface IcmpSocketOptions {
  readonly family: Family;
  /**
   * Packets go with "don't fragment" and whatever the kernel believes of the path, up to the device's MTU: ip(7),
   * IP_PMTUDISC_PROBE. Otherwise by the kernel's default.
   */
  readonly probesPath?: boolean;
  /** Every echo reply that reaches the namespace, to whomever; of a ping socket only our own. */
  onReply(reply: IcmpReply): void;
}

export interface IcmpReply {
  /** The ICMP message, whose memory is used again afterwards. */
  readonly message: Uint8Array;
  /** As it came in; undefined where the kernel keeps the header: in IPv6, and of ping sockets. */
  readonly ttl: number | undefined;
}

const AF = { 4: 2, 6: 10 } as const;
const SOCK = { DGRAM: 2, RAW: 3, CLOEXEC_NONBLOCK: 0x80000 | 0x800 } as const;
const protocols = { 4: ipProtocols.icmp, 6: ipProtocols.icmp6 } as const;
/** linux/icmp.h, linux/icmpv6.h: a mask of the types that are kept away. */
const filters = {
  4: { level: 255, option: 1, blocked: allBut(1, 0) },
  6: { level: 58, option: 1, blocked: allBut(8, 129) },
} as const;
/** IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, and IPV6_DONTFRAG, without which IPv6 cuts at the sender. */
const pathOptions = {
  4: [[0, 10, 3]],
  6: [
    [41, 23, 3],
    [41, 62, 1],
  ],
} as const;

/** What is sent, as sendmsg(2) wants it: struct msghdr, struct iovec, the address, the message. */
const at = { header: 0, vector: 64, address: 96, message: 128 } as const;
const messageBytes = 65_536;
const readsPerTurn = 64;

const setsockopt = koffi
  .load(null)
  .func('int setsockopt(int fd, int level, int name, void *value, uint32 length)');

export class IcmpSocket {
  /** True for one that needs no capability. The kernel then writes an identifier of its own into what is sent. */
  readonly isPing: boolean;
  readonly #fd: number;
  readonly #options: IcmpSocketOptions;
  // So large that V8 never moves them.
  readonly #out = new Uint8Array(new ArrayBuffer(at.message + messageBytes));
  readonly #view = new DataView(this.#out.buffer);
  readonly #pointer = pointerOf(this.#out);
  readonly #in = new Uint8Array(new ArrayBuffer(messageBytes));
  readonly #inPointer = pointerOf(this.#in);
  readonly #watch: ReadableWatch;
  #closed = false;

  private constructor(fd: number, isPing: boolean, options: IcmpSocketOptions) {
    this.#fd = fd;
    this.isPing = isPing;
    this.#options = options;
    this.#prepare();
    this.#watch = new ReadableWatch(fd, () => this.#drain());
  }

  /**
   * Opens it in the calling thread's network namespace.
   * @throws WeftError `icmp-forbidden` without CAP_NET_RAW and a group that may; `syscall-failed`
   */
  static open(options: IcmpSocketOptions): IcmpSocket {
    const raw = tryOpen(options.family, SOCK.RAW);
    const fd = raw ?? tryOpen(options.family, SOCK.DGRAM);
    if (fd === undefined) throw forbidden();
    try {
      return new IcmpSocket(fd, raw === undefined, options);
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
  }

  /**
   * The kernel puts the IP header before it, and in IPv6 the checksum into it (RFC 3542 section 3.1).
   * @returns why it did not go, such as EMSGSIZE or ENETUNREACH; undefined when it did
   */
  send(destination: IpAddress, message: Uint8Array): Errno | undefined {
    // The number may be another's by now.
    if (this.#closed) return { number: EBADF, name: 'EBADF', words: 'the socket is closed' };
    // More than IP's own length can say; some devices have such an MTU.
    if (message.length > messageBytes)
      return { number: EMSGSIZE, name: 'EMSGSIZE', words: 'Message too long' };
    this.#out.set(socketAddress(destination, 0), at.address);
    this.#out.set(message, at.message);
    this.#view.setBigUint64(at.vector + 8, BigInt(message.length), true);
    return sendMessage(this.#fd, this.#pointer, 0) >= 0 ? undefined : lastErrno();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeDescriptor(this.#fd);
  }

  #prepare(): void {
    const { family, probesPath = false } = this.#options;
    const { level, option, blocked } = filters[family];
    // Refused by ping sockets, which give nothing but replies.
    if (!this.isPing) setsockopt(this.#fd, level, option, blocked, blocked.length);
    if (probesPath) {
      for (const [place, name, value] of pathOptions[family]) setSocketOption(this.#fd, place, name, value);
    }
    const pointers = [
      [at.header, at.address],
      [at.header + 16, at.vector],
      [at.vector, at.message],
    ] as const;
    for (const [place, target] of pointers) {
      this.#view.setBigUint64(place, BigInt(this.#pointer + target), true);
    }
    this.#view.setUint32(at.header + 8, family === 4 ? 16 : 28, true);
    this.#view.setBigUint64(at.header + 24, 1n, true);
  }

  /** Also takes the errors that routers reported, by which the socket would stay readable. */
  #drain(): void {
    for (let reads = 0; reads < readsPerTurn && !this.#closed; reads++) {
      const length = receive(this.#fd, this.#inPointer, messageBytes, 0);
      if (length >= 0) this.#take(this.#in.subarray(0, length));
      else if (errnoNumber() === EAGAIN) return;
    }
  }

  /** Only an IPv4 raw socket is given the header too. */
  #take(bytes: Uint8Array): void {
    const { family, onReply } = this.#options;
    if (this.isPing || family === 6) onReply({ message: bytes, ttl: undefined });
    else {
      // The kernel has checked the header.
      const headerBytes = (readU8(bytes, 0) & 0xf) * 4;
      onReply({ message: bytes.subarray(headerBytes), ttl: readU8(bytes, 8) });
    }
  }
}

/** A mask of `words` of 32 bits with one bit clear. */
function allBut(words: number, type: number): Uint8Array {
  const mask = new Uint32Array(words).fill(0xffffffff);
  mask[type >>> 5] = ~(1 << (type & 31));
  return new Uint8Array(mask.buffer);
}

/** Undefined when it is not allowed: EPERM of raw sockets, EACCES of ping sockets. */
function tryOpen(family: Family, type: number): number | undefined {
  try {
    return socket(AF[family], type | SOCK.CLOEXEC_NONBLOCK, protocols[family]);
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (hasCode(error, 'syscall-failed') && (errno === EPERM || errno === EACCES)) return undefined;
    throw error;
  }
}

const [EPERM, EBADF, EAGAIN, EACCES, EMSGSIZE] = [1, 9, 11, 13, 90];

function forbidden(): WeftError {
  return new WeftError(
    'icmp-forbidden',
    'sending echo requests needs CAP_NET_RAW, which this process lacks, or a group that may',
    {
      remedy:
        "give it: AmbientCapabilities=CAP_NET_RAW or docker run --cap-add NET_RAW; or let groups open ping sockets: sysctl -w net.ipv4.ping_group_range='0 2147483647'",
    },
  );
}
