/** One UDP socket: messages out and in, as many per system call as the kernel allows. */
import {
  errnoNumber,
  poll,
  receiveMessage,
  receiveMessages,
  sendMessage,
  sendMessages,
} from '../sys/libc.ts';
import { type PinnedMemory, ReceiveBatch, SendBatch } from '../sys/message-batch.ts';
import { type CounterArray, count, counter } from './counters.ts';
import { drop } from './drop-reasons.ts';
import type { Inbound } from './inbound.ts';
import { messageCapacity, mostSegments, type Outgoing, pieceCapacity } from './outgoing.ts';
import type { Peers } from './peers.ts';

export interface UnderlayOptions {
  readonly fd: number;
  readonly isSix: boolean;
  readonly port: number;
  readonly batchCalls: boolean;
  readonly memory: PinnedMemory;
  /** {@link underlayBytes} of room. */
  readonly at: number;
  readonly peers: Peers;
  readonly counters: CounterArray;
}

/** More than any datagram has, and any message that the kernel makes of several. */
const slotBytes = 65_536;
const slots = 32;
/** While messages are large: what stays in the processor's cache from the receipt to the write. */
const slotsOfLarge = 8;
const largeBytes = 16_384;
/** How long a full socket may hold up everything else. */
const waitForRoomMs = 5;

const sendBytes = SendBatch.bytes(messageCapacity, pieceCapacity);
const singleBytes = SendBatch.bytes(mostSegments, 2 * mostSegments);
const receiveBytes = ReceiveBatch.bytes(slots, slotBytes);
export const underlayBytes = sendBytes + singleBytes + receiveBytes + 8;

const MSG_DONTWAIT = 0x40;
const POLLOUT = 4;
const [EINTR, EIO, EBADF, EAGAIN, ENOMEM, EFAULT, EINVAL] = [4, 5, 9, 11, 12, 14, 22];
const [ENOSYS, ENOTSOCK, EMSGSIZE, EOPNOTSUPP, ENOBUFS] = [38, 88, 90, 95, 105];
/** What kernels answer that do not, or not on this path, take a message of several datagrams (net/ipv4/udp.c). */
const segmentErrors: ReadonlySet<number> = new Set([EMSGSIZE, EIO, EINVAL, EOPNOTSUPP]);
/** The fault is ours. */
const fatalErrors: ReadonlySet<number> = new Set([EBADF, ENOTSOCK, EFAULT, EINVAL]);

export class Underlay {
  readonly #options: UnderlayOptions;
  readonly #batch: SendBatch;
  /** Number in the queue of each message in the batch. */
  readonly #queued = new Int32Array(messageCapacity);
  readonly #singles: SendBatch;
  readonly #received: ReceiveBatch;
  readonly #pollAt: number;
  #batchCalls: boolean;
  #slotsWanted = slotsOfLarge;

  constructor(options: UnderlayOptions) {
    const { memory, at, isSix, port } = options;
    this.#options = options;
    this.#batchCalls = options.batchCalls;
    this.#batch = new SendBatch(memory, at, messageCapacity, isSix, port);
    this.#singles = new SendBatch(memory, at + sendBytes, mostSegments, isSix, port);
    this.#received = new ReceiveBatch(memory, at + sendBytes + singleBytes, slots, slotBytes);
    this.#pollAt = at + sendBytes + singleBytes + receiveBytes;
  }

  /** False once the kernel has said that it has no recvmmsg(2) or sendmmsg(2). */
  get batchCalls(): boolean {
    return this.#batchCalls;
  }

  /** Sends those of the queued messages whose peers have this socket's family. */
  send(queue: Outgoing): void {
    const { peers, isSix } = this.#options;
    this.#batch.clear();
    for (let message = 0; message < queue.count; message++) {
      if (peers.isSix(queue.peer[message] ?? 0) === isSix) this.#add(queue, message);
    }
    const batch = this.#batch;
    for (let done = 0; done < batch.count; ) {
      const sent = this.#sendFrom(batch, done);
      for (const end = done + Math.max(0, sent); done < end; done++)
        this.#sent(queue, this.#queued[done] ?? 0);
      if (sent <= 0) this.#failed(queue, this.#queued[done++] ?? 0, -sent);
    }
  }

  /** Receives what there is, up to a bound; the packets stay until the next call. False when there was nothing. */
  receive(inbound: Inbound): boolean {
    const { peers, memory, isSix } = this.#options;
    const received = this.#received;
    const messages = this.#receive();
    let bytes = 0;
    for (let index = 0; index < messages; index++) {
      const length = received.lengthOf(index);
      const sender = peers.ofSender(memory.view, received.senderOf(index, isSix), isSix);
      const segmentBytes = received.segmentBytesOf(index);
      inbound.message(sender, received.slotOf(index), length, segmentBytes, received.isWhole(index));
      received.renew(index);
      bytes += length;
    }
    if (messages > 0) this.#slotsWanted = bytes / messages > largeBytes ? slotsOfLarge : slots;
    return messages > 0;
  }

  #add(queue: Outgoing, message: number): void {
    const { peers, memory } = this.#options;
    const batch = this.#batch;
    const { pieces } = queue;
    this.#queued[batch.count] = message;
    peers.writeAddress(queue.peer[message] ?? 0, memory.view, batch.begin());
    for (let piece = queue.first[message] ?? -1; piece >= 0; piece = pieces.next[piece] ?? -1) {
      batch.vectors.add(pieces.offset[piece] ?? 0, pieces.length[piece] ?? 0);
    }
    batch.end((queue.segments[message] ?? 0) > 1 ? (queue.segmentBytes[message] ?? 0) : 0);
  }

  /** How many messages were sent, at least one; else minus the errno of the first. Waits for room, but not for long. */
  #sendFrom(batch: SendBatch, from: number): number {
    for (let waited = false; ; ) {
      const sent = this.#trySend(batch, from);
      if (sent > 0) return sent;
      const errno = errnoNumber();
      if (errno === EINTR) continue;
      if (errno === ENOSYS && this.#batchCalls) this.#batchCalls = false;
      else if (errno === EAGAIN && !waited) waited = this.#waitForRoom();
      else return -errno;
    }
  }

  #trySend(batch: SendBatch, from: number): number {
    const { fd } = this.#options;
    if (this.#batchCalls) return sendMessages(fd, batch.pointerOf(from), batch.count - from, MSG_DONTWAIT);
    return sendMessage(fd, batch.pointerOf(from), MSG_DONTWAIT) < 0 ? -1 : 1;
  }

  #waitForRoom(): true {
    const { memory, fd } = this.#options;
    memory.view.setInt32(this.#pollAt, fd, true);
    memory.view.setUint32(this.#pollAt + 4, POLLOUT, true);
    poll(memory.pointer + this.#pollAt, 1, waitForRoomMs);
    return true;
  }

  #sent(queue: Outgoing, message: number): void {
    const { counters } = this.#options;
    count(counters, counter.sentPackets, queue.segments[message] ?? 0);
    count(counters, counter.sentBytes, queue.bytes[message] ?? 0);
  }

  #failed(queue: Outgoing, message: number, errno: number): void {
    const segments = queue.segments[message] ?? 0;
    if (segments > 1 && segmentErrors.has(errno)) this.#sendSingly(queue, message);
    else this.#drop(errno, segments);
  }

  #drop(errno: number, packets: number): void {
    const isFull = errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM;
    count(this.#options.counters, isFull ? drop['socket-full'] : drop['socket-refused'], packets);
  }

  /** One datagram for each message, and no others to that peer for some time. */
  #sendSingly(queue: Outgoing, message: number): void {
    const { peers, counters } = this.#options;
    count(counters, counter.segmentRefusals, 1);
    peers.limitSegments(queue.peer[message] ?? 0, queue.segmentBytes[message] ?? 0);
    this.#fillSingles(queue, message);
    const singles = this.#singles;
    const bytes = queue.bytes[message] ?? 0;
    const segmentBytes = queue.segmentBytes[message] ?? 0;
    for (let done = 0; done < singles.count; ) {
      const sent = this.#sendFrom(singles, done);
      if (sent <= 0) {
        this.#drop(-sent, 1);
        done++;
        continue;
      }
      const end = done + sent;
      count(counters, counter.sentPackets, sent);
      count(counters, counter.sentBytes, Math.min(bytes, end * segmentBytes) - done * segmentBytes);
      done = end;
    }
  }

  #fillSingles(queue: Outgoing, message: number): void {
    const { peers, memory } = this.#options;
    const { pieces } = queue;
    const segmentBytes = queue.segmentBytes[message] ?? 0;
    const singles = this.#singles;
    singles.clear();
    let missing = 0;
    for (let piece = queue.first[message] ?? -1; piece >= 0; piece = pieces.next[piece] ?? -1) {
      const length = pieces.length[piece] ?? 0;
      if (missing === 0) {
        peers.writeAddress(queue.peer[message] ?? 0, memory.view, singles.begin());
        missing = segmentBytes;
      }
      singles.vectors.add(pieces.offset[piece] ?? 0, length);
      missing -= length;
      // The last may be shorter.
      if (missing === 0 || (pieces.next[piece] ?? -1) < 0) singles.end(0);
    }
  }

  #receive(): number {
    const { fd } = this.#options;
    const received = this.#received;
    if (this.#batchCalls) {
      const messages = receiveMessages(fd, received.pointerOf(0), this.#slotsWanted, MSG_DONTWAIT);
      if (messages >= 0 || !this.#isUnknownCall()) return messages;
    }
    let messages = 0;
    for (; messages < this.#slotsWanted; messages++) {
      const length = receiveMessage(fd, received.pointerOf(messages), MSG_DONTWAIT);
      if (length < 0) {
        this.#checkFailure(errnoNumber());
        break;
      }
      received.setLength(messages, length);
    }
    return messages;
  }

  #isUnknownCall(): boolean {
    const errno = errnoNumber();
    if (errno !== ENOSYS) this.#checkFailure(errno);
    else this.#batchCalls = false;
    return errno === ENOSYS;
  }

  /** @throws Error when no further call can succeed; anything else was an error of the past that the socket kept */
  #checkFailure(errno: number): void {
    if (fatalErrors.has(errno))
      throw new Error(`receiving from UDP socket ${this.#options.fd} failed: errno ${errno}`);
  }
}
