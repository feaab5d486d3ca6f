/** Echo requests by ourselves, so that nothing needs a `ping` program: icmp(7) over raw(7). */
import koffi from 'koffi';
import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import { type IpAddress, ipToBytes } from '../base/ip.ts';
import { closeDescriptor, lastErrno, pointerOf, receive, socket } from './libc.ts';
import { inNetns } from './netns.ts';
import { ReadableWatch } from './readable.ts';

export interface IcmpSocketOptions {
  /** Path of the network namespace that it sends from; default: the thread's own. */
  readonly netns?: string | undefined;
  /** The only host that it sends to and hears. */
  readonly destination: IpAddress;
  /** A whole IPv4 packet from there; the bytes are only valid during the call. */
  onPacket(packet: Uint8Array): void;
}

const libc = koffi.load(null);
const connect = libc.func('int connect(int fd, void *address, uint32 length)');
const send = libc.func('int64 send(int fd, void *bytes, size_t length, int flags)');

const AF_INET = 2;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const IPPROTO_ICMP = 1;
const packetBytes = 65_536;
const readsPerTurn = 64;

/** An IPv4 ICMP socket on Node's event loop. Needs CAP_NET_RAW in the namespace. */
export class IcmpSocket {
  readonly #fd: number;
  readonly #options: IcmpSocketOptions;
  readonly #buffer = new Uint8Array(packetBytes);
  readonly #watch: ReadableWatch;
  #closed = false;

  private constructor(fd: number, options: IcmpSocketOptions) {
    this.#fd = fd;
    this.#options = options;
    this.#watch = new ReadableWatch(fd, () => this.#drain());
  }

  /** @throws WeftError `netns-missing`; `syscall-failed`, also when there is no route to the destination */
  static open(options: IcmpSocketOptions): IcmpSocket {
    const { netns, destination } = options;
    const open = () => openConnected(destination);
    return new IcmpSocket(netns === undefined ? open() : inNetns(netns, open), options);
  }

  /** Sends one ICMP message; the kernel puts the IP header before it. @throws WeftError `icmp-send` */
  send(message: Uint8Array): void {
    if (send(this.#fd, message, message.length, 0) >= 0) return;
    const { name, words } = lastErrno();
    throw new WeftError('icmp-send', `sending to ${this.#options.destination} failed: ${name} (${words})`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeDescriptor(this.#fd);
  }

  /** Also takes the errors that routers reported, by which the socket would stay readable. */
  #drain(): void {
    for (let reads = 0; reads < readsPerTurn && !this.#closed; reads++) {
      const length = receive(this.#fd, pointerOf(this.#buffer), packetBytes, 0);
      if (length >= 0) this.#options.onPacket(this.#buffer.subarray(0, length));
      else if (lastErrno().name === 'EAGAIN') return;
    }
  }
}

function openConnected(destination: IpAddress): number {
  const fd = socket(AF_INET, SOCK_RAW_CLOEXEC_NONBLOCK, IPPROTO_ICMP);
  // struct sockaddr_in: family, port, address, padding
  const address = new ByteWriter().u16le(AF_INET).zeros(2).bytes(ipToBytes(destination)).zeros(8).toBytes();
  if (connect(fd, address, address.length) === 0) return fd;
  const { name, words } = lastErrno();
  closeDescriptor(fd);
  throw new WeftError('syscall-failed', `connecting to ${destination} failed: ${name} (${words})`);
}
