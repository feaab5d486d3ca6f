/** An AF_PACKET socket: every frame that a link sends or receives, as a capture tool sees it (packet(7)). */
import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import { type BpfInstruction, nothing } from '../wire/bpf.ts';
import { bind, closeDescriptor, type Errno, lastErrno, setSocketOption, socket } from './libc.ts';
import { inNetns } from './netns.ts';
import { type BatchFrame, PacketBatch, vlanTagBytes } from './packet-batch.ts';
import { attachFilter, type PacketCounts, takePacketCounts } from './packet-options.ts';
import { ReadableWatch } from './readable.ts';

export interface PacketSocketOptions {
  /** Number of the link, in that namespace. */
  readonly ifIndex: number;
  /** Its name, for messages; its number stands for it otherwise. */
  readonly name?: string | undefined;
  /** Path of the link's network namespace; default: the thread's own. */
  readonly netns?: string | undefined;
  /** Which frames to take; no other ever comes in. Default: all. */
  readonly filter?: readonly BpfInstruction[] | undefined;
  /** Bytes kept of each frame. Default 65536, more than any frame has. */
  readonly snapBytes?: number | undefined;
  /** Room for bursts that come while JavaScript is busy; what exceeds it is lost. Default 4 MiB. */
  readonly receiveBufferBytes?: number | undefined;
  onFrame(frame: CapturedFrame): void;
  /** `capture-ended`: the link went down or away. The socket is closed. */
  onEnd(error: WeftError): void;
}

export interface CapturedFrame {
  /** From the link's header on, with the VLAN tag that the kernel has taken off; only valid during the call. */
  readonly bytes: Uint8Array;
  /** Length of the frame on the link; `bytes` has fewer when cut to `snapBytes`. */
  readonly lengthBytes: number;
  /** When the kernel saw it: nanoseconds since 1970. */
  readonly timeNs: bigint;
  /** Undefined for what is for neither this host nor from it, as on a switch. */
  readonly direction: 'in' | 'out' | undefined;
}

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
/** Every protocol (linux/if_ether.h), in network order where the system wants it. */
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_TIMESTAMPNS = 35;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const [PACKET_OTHERHOST, PACKET_OUTGOING] = [3, 4];
const EPERM = 1;

/** Chosen: frames of one system call, by the memory they take; and calls before the event loop gets its turn. */
const batchBytes = 2 * 1024 * 1024;
const [fewestFrames, mostFrames] = [16, 256];
const batchesPerTurn = 4;

/** Where the VLAN tag belongs: behind the two addresses. */
const addressesBytes = 12;

/** Captures both directions of one link, on Node's event loop. Needs CAP_NET_RAW in the namespace. */
export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #options: PacketSocketOptions;
  readonly #batch: PacketBatch;
  readonly #watch: ReadableWatch;
  #counts: PacketCounts = { received: 0, dropped: 0 };
  #closed = false;

  private constructor(fd: number, options: PacketSocketOptions) {
    const { snapBytes = 65_536 } = options;
    this.#fd = fd;
    this.#options = options;
    const frames = Math.floor(batchBytes / snapBytes);
    this.#batch = new PacketBatch(Math.min(mostFrames, Math.max(fewestFrames, frames)), snapBytes);
    this.#watch = new ReadableWatch(fd, () => this.#drain(batchesPerTurn));
  }

  /**
   * @throws WeftError `capture-privilege`; `netns-missing`; `syscall-failed`, also for a link that is not there and a
   * filter that the kernel does not take
   */
  static open(options: PacketSocketOptions): PacketSocket {
    const { netns } = options;
    const open = () => openSocket(options);
    return new PacketSocket(netns === undefined ? open() : inNetns(netns, open), options);
  }

  /** Since the socket was opened. Also after it was closed, as of then. */
  counts(): PacketCounts {
    if (!this.#closed) {
      const { received, dropped } = takePacketCounts(this.#fd);
      this.#counts = { received: this.#counts.received + received, dropped: this.#counts.dropped + dropped };
    }
    return this.#counts;
  }

  /** Takes no further frames, gives out those that have come in already, and closes: nothing is lost on the way. */
  finish(): void {
    if (this.#closed) return;
    attachFilter(this.#fd, nothing);
    this.#drain(Number.POSITIVE_INFINITY);
    this.close();
  }

  /** A capture keeps the program alive until then; idempotent. */
  close(): void {
    if (this.#closed) return;
    this.counts();
    this.#closed = true;
    this.#watch.close();
    closeDescriptor(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #drain(batches: number): void {
    for (let reads = 0; reads < batches && !this.#closed; reads++) {
      const count = this.#batch.receive(this.#fd);
      if (count < 0) {
        const errno = lastErrno();
        if (errno.name === 'EAGAIN') return;
        if (errno.name !== 'EINTR') this.#end(errno);
        continue;
      }
      for (let index = 0; index < count && !this.#closed; index++) this.#give(this.#batch.frame(index));
    }
  }

  #give({ offset, capturedBytes, lengthBytes, packetType, timeNs, tag }: BatchFrame): void {
    const direction =
      packetType === PACKET_OUTGOING ? 'out' : packetType === PACKET_OTHERHOST ? undefined : 'in';
    const { bytes } = this.#batch;
    if (tag === undefined || capturedBytes < addressesBytes) {
      const frame = bytes.subarray(offset, offset + capturedBytes);
      this.#options.onFrame({ bytes: frame, lengthBytes, timeNs, direction });
      return;
    }
    // The addresses move forward, into the room that is there for it.
    const start = offset - vlanTagBytes;
    bytes.copyWithin(start, offset, offset + addressesBytes);
    const { protocol, control } = tag;
    bytes.set([protocol >>> 8, protocol, control >>> 8, control], start + addressesBytes);
    const frame = bytes.subarray(start, offset + capturedBytes);
    this.#options.onFrame({ bytes: frame, lengthBytes: lengthBytes + vlanTagBytes, timeNs, direction });
  }

  #end({ name, words }: Errno): void {
    this.close();
    const { ifIndex, name: link = `link ${ifIndex}` } = this.#options;
    const message = `capturing on ${link} ended: ${name} (${words})`;
    this.#options.onEnd(
      new WeftError('capture-ended', message, {
        remedy: name === 'ENETDOWN' ? `see whether the link is there and up: ip link show` : undefined,
      }),
    );
  }
}

function openSocket(options: PacketSocketOptions): number {
  const fd = rawSocket();
  try {
    // Before it is bound: no frame that the filter does not take, and none of another link, must come in.
    if (options.filter !== undefined) attachFilter(fd, options.filter);
    setSocketOption(fd, SOL_PACKET, PACKET_AUXDATA, 1);
    setSocketOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
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

/** Of no protocol, so that nothing is received before it is bound. */
function rawSocket(): number {
  try {
    return socket(AF_PACKET, SOCK_RAW_CLOEXEC_NONBLOCK, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).errno !== EPERM) throw cause;
    throw new WeftError('capture-privilege', 'capturing packets needs the capability CAP_NET_RAW', {
      cause,
      remedy: 'run it as root, with sudo for instance; in a container, give it CAP_NET_RAW',
    });
  }
}

/** struct sockaddr_ll: family, protocol (network order), interface, then 12 bytes that bind(2) does not look at. */
function linkAddress(ifIndex: number): Uint8Array {
  return new ByteWriter(20).u16le(AF_PACKET).u16be(ETH_P_ALL).u32le(ifIndex).zeros(12).toBytes();
}
