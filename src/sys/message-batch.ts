/**
 * Arrays of struct mmsghdr for sendmmsg(2) and recvmmsg(2), and of struct iovec for writev(2), in memory that stays
 * where it is. Layouts of 64-bit Linux:
 *
 *     iovec     0 pointer   8 length                                                               16 bytes
 *     msghdr    0 name   8 name length   16 iovecs   24 their count   32 control   40 its length   48 flags
 *     mmsghdr   a msghdr   56 bytes sent or received                                               64 bytes
 *     cmsghdr   0 length   8 level   12 type   16 data
 */

/** Bytes that never move. */
export interface PinnedMemory {
  readonly view: DataView;
  /** Where they lie; see {@link pointerOf}. */
  readonly pointer: number;
}

const headerBytes = 64;
const nameBytes = 32;
const controlBytes = 32;
const vectorBytes = 16;

const SOL_UDP = 17;
const [UDP_SEGMENT, UDP_GRO] = [103, 104];
const segmentControlBytes = 24;
const [AF_INET, AF_INET6] = [2, 10];
const [ipv4NameBytes, ipv6NameBytes] = [16, 28];
const MSG_TRUNC = 0x20;

/** struct iovec[], filled from the front. */
export class Vectors {
  readonly #memory: PinnedMemory;
  readonly #at: number;
  count = 0;

  constructor(memory: PinnedMemory, at: number) {
    this.#memory = memory;
    this.#at = at;
  }

  static bytes(capacity: number): number {
    return capacity * vectorBytes;
  }

  /** Of the next to be added. */
  get pointer(): number {
    return this.pointerOf(this.count);
  }

  pointerOf(index: number): number {
    return this.#memory.pointer + this.#at + index * vectorBytes;
  }

  add(offset: number, length: number): void {
    const at = this.#at + this.count++ * vectorBytes;
    const { view, pointer } = this.#memory;
    setPointer(view, at, pointer + offset);
    setPointer(view, at + 8, length);
  }
}

/** Messages to send from one socket: `begin`, vectors, `end` for each; then sendmmsg(2) with {@link pointerOf}. */
export class SendBatch {
  readonly vectors: Vectors;
  readonly #memory: PinnedMemory;
  readonly #headers: number;
  readonly #names: number;
  readonly #controls: number;
  readonly #isSix: boolean;
  #count = 0;
  #firstVector = 0;

  /** @param isSix whether the socket is an IPv6 one @param at where {@link SendBatch.bytes} of the memory are free */
  constructor(memory: PinnedMemory, at: number, capacity: number, isSix: boolean, port: number) {
    this.#memory = memory;
    this.#headers = at;
    this.#names = at + capacity * headerBytes;
    this.#controls = this.#names + capacity * nameBytes;
    this.vectors = new Vectors(memory, this.#controls + capacity * controlBytes);
    this.#isSix = isSix;
    for (let index = 0; index < capacity; index++) this.#prepare(index, port);
  }

  static bytes(capacity: number, vectors: number): number {
    return capacity * (headerBytes + nameBytes + controlBytes) + Vectors.bytes(vectors);
  }

  get count(): number {
    return this.#count;
  }

  pointerOf(index: number): number {
    return this.#memory.pointer + this.#headers + index * headerBytes;
  }

  /** Where the address of the message that is begun goes, 4 or 16 bytes in network order. */
  begin(): number {
    this.#firstVector = this.vectors.count;
    return this.#names + this.#count * nameBytes + (this.#isSix ? 8 : 4);
  }

  /** @param segmentBytes length of the datagrams that the kernel shall make of it; 0: it is one */
  end(segmentBytes: number): void {
    const { view } = this.#memory;
    const header = this.#headers + this.#count * headerBytes;
    setPointer(view, header + 16, this.vectors.pointerOf(this.#firstVector));
    setPointer(view, header + 24, this.vectors.count - this.#firstVector);
    setPointer(view, header + 40, segmentBytes > 0 ? segmentControlBytes : 0);
    view.setUint16(this.#controls + this.#count * controlBytes + 16, segmentBytes, true);
    this.#count++;
  }

  clear(): void {
    this.#count = 0;
    this.vectors.count = 0;
  }

  #prepare(index: number, port: number): void {
    const { view, pointer } = this.#memory;
    const [header, name] = [this.#headers + index * headerBytes, this.#names + index * nameBytes];
    const control = this.#controls + index * controlBytes;
    view.setUint16(name, this.#isSix ? AF_INET6 : AF_INET, true);
    view.setUint16(name + 2, port);
    setPointer(view, header, pointer + name);
    view.setUint32(header + 8, this.#isSix ? ipv6NameBytes : ipv4NameBytes, true);
    setPointer(view, header + 32, pointer + control);
    setPointer(view, control, 18);
    view.setUint32(control + 8, SOL_UDP, true);
    view.setUint32(control + 12, UDP_SEGMENT, true);
  }
}

/** Messages to receive into, each of at most `slotBytes`. */
export class ReceiveBatch {
  readonly capacity: number;
  readonly #memory: PinnedMemory;
  readonly #headers: number;
  readonly #names: number;
  readonly #controls: number;
  readonly #slots: number;
  readonly #slotBytes: number;

  /** @param at where {@link ReceiveBatch.bytes} of the memory are free */
  constructor(memory: PinnedMemory, at: number, capacity: number, slotBytes: number) {
    this.capacity = capacity;
    this.#memory = memory;
    this.#headers = at;
    this.#names = at + capacity * headerBytes;
    this.#controls = this.#names + capacity * nameBytes;
    const vectors = new Vectors(memory, this.#controls + capacity * controlBytes);
    this.#slots = this.#controls + capacity * (controlBytes + vectorBytes);
    this.#slotBytes = slotBytes;
    for (let index = 0; index < capacity; index++) {
      vectors.add(this.slotOf(index), slotBytes);
      this.#prepare(index, vectors.pointerOf(index));
    }
  }

  static bytes(capacity: number, slotBytes: number): number {
    return capacity * (headerBytes + nameBytes + controlBytes + vectorBytes + slotBytes);
  }

  pointerOf(index: number): number {
    return this.#memory.pointer + this.#headers + index * headerBytes;
  }

  /** Where the bytes of a message are, from the beginning of the memory. */
  slotOf(index: number): number {
    return this.#slots + index * this.#slotBytes;
  }

  /** Where the sender's address is, in network order. */
  senderOf(index: number, isSix: boolean): number {
    return this.#names + index * nameBytes + (isSix ? 8 : 4);
  }

  /** Bytes of the message, as recvmmsg(2) tells. */
  lengthOf(index: number): number {
    return this.#memory.view.getUint32(this.#headers + index * headerBytes + 56, true);
  }

  /** For recvmsg(2), which gives the length as its result. */
  setLength(index: number, length: number): void {
    this.#memory.view.setUint32(this.#headers + index * headerBytes + 56, length, true);
  }

  /** False when the message was longer than the slot. */
  isWhole(index: number): boolean {
    return (this.#memory.view.getUint32(this.#headers + index * headerBytes + 48, true) & MSG_TRUNC) === 0;
  }

  /** Length of each datagram but the last in the message (UDP_GRO); 0 when it is one. */
  segmentBytesOf(index: number): number {
    const { view } = this.#memory;
    if (view.getUint32(this.#headers + index * headerBytes + 40, true) < vectorBytes) return 0;
    const control = this.#controls + index * controlBytes;
    const isGro =
      view.getUint32(control + 8, true) === SOL_UDP && view.getUint32(control + 12, true) === UDP_GRO;
    return isGro ? view.getInt32(control + 16, true) : 0;
  }

  /** Makes the header ready for the next message, since the kernel has written to it. */
  renew(index: number): void {
    const { view } = this.#memory;
    const header = this.#headers + index * headerBytes;
    view.setUint32(header + 8, nameBytes, true);
    view.setUint32(header + 40, controlBytes, true);
    view.setUint32(header + 48, 0, true);
  }

  #prepare(index: number, vector: number): void {
    const { view, pointer } = this.#memory;
    const header = this.#headers + index * headerBytes;
    setPointer(view, header, pointer + this.#names + index * nameBytes);
    setPointer(view, header + 16, vector);
    setPointer(view, header + 24, 1);
    setPointer(view, header + 32, pointer + this.#controls + index * controlBytes);
    this.renew(index);
  }
}

/** A 64-bit number below 2^53. */
function setPointer(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true);
  view.setUint32(at + 4, value / 0x1_0000_0000, true);
}
