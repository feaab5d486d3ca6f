/** An AF_PACKET socket: every frame that a link sends or receives, as a capture tool sees it (packet(7)). */
import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import {
  bind,
  closeDescriptor,
  type Errno,
  lastErrno,
  pointerOf,
  receive,
  setSocketOption,
  socket,
} from './libc.ts';
import { inNetns } from './netns.ts';
import { ReadableWatch } from './readable.ts';

export interface PacketSocketOptions {
  /** Number of the link, in that namespace. */
  readonly ifIndex: number;
  /** Path of the link's network namespace; default: the thread's own. */
  readonly netns?: string | undefined;
  /** Bytes kept of each frame. Default 65536, more than any frame has. */
  readonly snapBytes?: number | undefined;
  /** Room for bursts that come while JavaScript is busy; what exceeds it is lost. Default 4 MiB. */
  readonly receiveBufferBytes?: number | undefined;
  onFrame(frame: CapturedFrame): void;
  /** `capture-ended`: the link went down or away. The socket is closed. */
  onEnd(error: WeftError): void;
}

export interface CapturedFrame {
  /**
   * From the destination address on, only valid during the call. A VLAN tag is missing where the kernel has taken it
   * off (it then travels beside the frame, which is not asked for).
   */
  readonly bytes: Uint8Array;
  /** Length of the frame on the link; `bytes` has fewer when cut to `snapBytes`. */
  readonly lengthBytes: number;
}

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
/** Every protocol (linux/if_ether.h), in network order where the system wants it. */
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT_TRUNC = 0x40 | 0x20;

/** Reads before the event loop gets its turn: a busy link must not keep the program from all else. */
const readsPerTurn = 256;

/** Captures both directions of one link, on Node's event loop. Needs CAP_NET_RAW in the namespace. */
export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #options: PacketSocketOptions;
  readonly #buffer: Uint8Array;
  readonly #pointer: number;
  readonly #watch: ReadableWatch;
  #closed = false;

  private constructor(fd: number, options: PacketSocketOptions) {
    this.#fd = fd;
    this.#options = options;
    // 4 KiB at least: V8 moves small arrays, and the kernel writes to where this one lies.
    this.#buffer = new Uint8Array(new ArrayBuffer(Math.max(options.snapBytes ?? 65_536, 4096)));
    this.#pointer = pointerOf(this.#buffer);
    this.#watch = new ReadableWatch(fd, () => this.#drain());
  }

  /** @throws WeftError `netns-missing`; `syscall-failed`, also for a link that is not there or a missing privilege */
  static open(options: PacketSocketOptions): PacketSocket {
    const { netns } = options;
    const open = () => openSocket(options);
    return new PacketSocket(netns === undefined ? open() : inNetns(netns, open), options);
  }

  /** A capture keeps the program alive until then; idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeDescriptor(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #drain(): void {
    const snapBytes = this.#options.snapBytes ?? this.#buffer.length;
    for (let reads = 0; reads < readsPerTurn && !this.#closed; reads++) {
      const lengthBytes = receive(this.#fd, this.#pointer, snapBytes, MSG_DONTWAIT_TRUNC);
      if (lengthBytes >= 0) {
        const bytes = this.#buffer.subarray(0, Math.min(lengthBytes, snapBytes));
        this.#options.onFrame({ bytes, lengthBytes });
        continue;
      }
      const errno = lastErrno();
      if (errno.name === 'EAGAIN') return;
      if (errno.name !== 'EINTR') this.#end(errno);
    }
  }

  #end({ name, words }: Errno): void {
    this.close();
    const link = `link ${this.#options.ifIndex}`;
    const message = `capturing on ${link} ended: ${name} (${words})`;
    this.#options.onEnd(
      new WeftError('capture-ended', message, {
        remedy: name === 'ENETDOWN' ? `see whether the link is there and up: ip link show` : undefined,
      }),
    );
  }
}

function openSocket(options: PacketSocketOptions): number {
  // No protocol yet: frames of other links must not come in before the socket is bound to this one.
  const fd = socket(AF_PACKET, SOCK_RAW_CLOEXEC_NONBLOCK, 0);
  try {
    const room = options.receiveBufferBytes ?? 4 * 1024 * 1024;
    if (!setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, room)) {
      setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, room);
    }
    bind(fd, linkAddress(options.ifIndex));
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** struct sockaddr_ll: family, protocol (network order), interface, then 12 bytes that bind(2) does not look at. */
function linkAddress(ifIndex: number): Uint8Array {
  return new ByteWriter(20).u16le(AF_PACKET).u16be(ETH_P_ALL).u32le(ifIndex).zeros(12).toBytes();
}
