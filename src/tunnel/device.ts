/** The TUN device's descriptor: packets in, packets and super-packets out. */
import { errnoNumber, read, write, writev } from '../sys/libc.ts';
import { type PinnedMemory, Vectors } from '../sys/message-batch.ts';
import type { AttachedTun } from '../sys/tun.ts';
import type { Coalescer } from './coalesce.ts';
import { type CounterArray, count, counter } from './counters.ts';
import { drop } from './drop-reasons.ts';
import type { Outbound } from './outbound.ts';
import { vnetHeaderBytes } from './vnet-header.ts';

export interface DeviceOptions {
  readonly memory: PinnedMemory;
  /** Where in the memory packets are read to: {@link readBytes} of room. */
  readonly readAt: number;
  /** {@link vectorBytes} of room. */
  readonly vectorsAt: number;
  readonly counters: CounterArray;
}

/** The largest super-packet (GSO_LEGACY_MAX_SIZE; IPv6: and its header) with its vnet header, and some. */
const slotBytes = 65_536 + 64;
/** Four super-packets: what stays in the processor's cache from the read to the send. */
export const readBytes = 5 * slotBytes;
const readsPerRound = 64;
const vectorCapacity = 1026;
export const vectorBytes = Vectors.bytes(vectorCapacity) + 2 * 16;

const [EINTR, EAGAIN, ENOMEM, EBADF, EBADFD, ENOBUFS] = [4, 11, 12, 9, 77, 105];

export class Device {
  readonly #options: DeviceOptions;
  readonly #tun: AttachedTun;
  readonly #vectors: Vectors;
  /** Of all zeros: "nothing to be done". */
  readonly #plainHeader: number;
  readonly #superHeader: number;
  #isLost = false;

  constructor(tun: AttachedTun, options: DeviceOptions) {
    this.#tun = tun;
    this.#options = options;
    const { memory, vectorsAt } = options;
    this.#plainHeader = vectorsAt;
    this.#superHeader = vectorsAt + 16;
    this.#vectors = new Vectors(memory, vectorsAt + 32);
    for (let at = 0; at < 16; at += 4) memory.view.setUint32(this.#plainHeader + at, 0);
  }

  get tun(): AttachedTun {
    return this.#tun;
  }

  /** The device was deleted under the descriptor, which is good for nothing any more. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Reads what there is, up to a bound; the packets stay until the next call. False when there was nothing. */
  read(outbound: Outbound): boolean {
    const { memory, readAt } = this.#options;
    const { fd, vnetHeader } = this.#tun;
    const end = readAt + readBytes - slotBytes;
    let at = readAt;
    let reads = 0;
    for (; reads < readsPerRound && at <= end; reads++) {
      const length = read(fd, memory.pointer + at, slotBytes);
      if (length <= 0) {
        this.#failedRead(length < 0 ? errnoNumber() : EBADFD);
        break;
      }
      if (vnetHeader) outbound.packetWithHeader(at, length);
      else outbound.packet(at, length);
      at = (at + length + 7) & ~7;
    }
    return reads > 0;
  }

  /** Writes all that is queued. */
  write(packets: Coalescer): void {
    for (let index = 0; index < packets.count; index++) {
      const isPlain = packets.packets[index] === 1;
      const written = isPlain ? this.#writePlain(packets, index) : this.#writeSuper(packets, index);
      this.#tally(written, packets.packets[index] ?? 0, packets.wireBytes[index] ?? 0);
    }
  }

  /** Writes one packet of our own; false when it is not taken. */
  writeOwn(packet: number, length: number): boolean {
    return this.#writeOne(packet, length) >= 0;
  }

  #writePlain({ pieces, first }: Coalescer, index: number): number {
    const piece = first[index] ?? 0;
    return this.#writeOne(pieces.offset[piece] ?? 0, pieces.length[piece] ?? 0);
  }

  #writeOne(packet: number, length: number): number {
    const { memory } = this.#options;
    if (!this.#tun.vnetHeader) return write(this.#tun.fd, memory.pointer + packet, length);
    const vectors = this.#vectors;
    vectors.count = 0;
    vectors.add(this.#plainHeader, vnetHeaderBytes);
    vectors.add(packet, length);
    return writev(this.#tun.fd, vectors.pointerOf(0), 2);
  }

  #writeSuper(packets: Coalescer, index: number): number {
    packets.finish(index, this.#superHeader);
    const { pieces } = packets;
    const vectors = this.#vectors;
    vectors.count = 0;
    vectors.add(this.#superHeader, vnetHeaderBytes);
    for (let piece = packets.first[index] ?? -1; piece >= 0; piece = pieces.next[piece] ?? -1) {
      vectors.add(pieces.offset[piece] ?? 0, pieces.length[piece] ?? 0);
    }
    return writev(this.#tun.fd, vectors.pointerOf(0), vectors.count);
  }

  #tally(written: number, packets: number, bytes: number): void {
    const { counters } = this.#options;
    if (written >= 0) {
      count(counters, counter.receivedPackets, packets);
      count(counters, counter.receivedBytes, bytes);
      return;
    }
    const errno = errnoNumber();
    if (errno === EBADFD) this.#isLost = true;
    const isFull = errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM;
    count(counters, isFull ? drop['device-full'] : drop['device-refused'], packets);
  }

  #failedRead(errno: number): void {
    if (errno === EAGAIN || errno === EINTR || errno === ENOMEM) return;
    if (errno === EBADF) throw new Error('the descriptor of the TUN device is closed');
    this.#isLost = true;
  }
}
