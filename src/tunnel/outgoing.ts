/**
 * Datagrams on their way to the underlay. Those of one size to one peer share a message, which the kernel takes apart
 * again (UDP_SEGMENT, udp(7)): it walks the network stack once for all of them.
 */
import { Pieces } from './pieces.ts';

export interface OutgoingOptions {
  /** Most datagrams in a message; 1 where the kernel does not segment. */
  readonly segmentsPerMessage: number;
  /** Where in the arena headers of segments are written, and how many bytes there are. */
  readonly headers: { readonly offset: number; readonly length: number };
  /** The longest datagram that may share a message to that peer. */
  segmentLimit(peer: number): number;
  /** Sends everything; called when there is no room for more. The queue is empty afterwards. */
  onFull(): void;
}

/** UDP_MAX_SEGMENTS of the kernels that have fewest. */
export const mostSegments = 64;
/** 65,535 less an IPv4 and a UDP header: what a message may hold in all, segmented or not. */
export const mostMessageBytes = 65_507;
export const messageCapacity = 64;

export const pieceCapacity = 2048;
/** Peers that a message can be extended for at a time; more of them only means more messages. */
const openSlots = 64;

export class Outgoing {
  readonly pieces = new Pieces(pieceCapacity);
  count = 0;
  readonly peer = new Int32Array(messageCapacity);
  /** First piece of each message. */
  readonly first = new Int32Array(messageCapacity);
  readonly bytes = new Int32Array(messageCapacity);
  /** Datagrams in the message, and the length of each but the last, which may be shorter. */
  readonly segments = new Int32Array(messageCapacity);
  readonly segmentBytes = new Int32Array(messageCapacity);

  readonly #options: OutgoingOptions;
  readonly #last = new Int32Array(messageCapacity);
  /** The message that can be extended, by peer. */
  readonly #open = new Int32Array(openSlots).fill(-1);
  #header: number;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#header = options.headers.offset;
  }

  /** A datagram that lies in one piece. */
  packet(peer: number, offset: number, length: number): void {
    if (this.count === messageCapacity || this.pieces.room < 1) this.#options.onFull();
    const message = this.#place(peer, length);
    this.#last[message] = this.#append(message, offset, length);
  }

  /** Room for the header of a datagram whose body lies elsewhere; {@link segment} must be next. */
  header(length: number): number {
    const { offset, length: room } = this.#options.headers;
    const isFull = this.count === messageCapacity || this.pieces.room < 2;
    if (isFull || this.#header + length > offset + room) this.#options.onFull();
    const at = this.#header;
    this.#header += (length + 7) & ~7;
    return at;
  }

  /** A datagram of a header, for which {@link header} made room, and a body. */
  segment(peer: number, header: number, headerBytes: number, body: number, bodyBytes: number): void {
    const message = this.#place(peer, headerBytes + bodyBytes);
    this.#last[message] = this.#append(message, header, headerBytes);
    this.#last[message] = this.#append(message, body, bodyBytes);
  }

  clear(): void {
    this.count = 0;
    this.pieces.clear();
    this.#open.fill(-1);
    this.#header = this.#options.headers.offset;
  }

  /** The message that takes a datagram of that length: one that is there, or a new one. */
  #place(peer: number, length: number): number {
    const slot = peer & (openSlots - 1);
    const open = this.#open[slot] ?? -1;
    const isOpen = open >= 0 && this.peer[open] === peer;
    return isOpen && this.#extend(open, slot, length) ? open : this.#begin(peer, slot, length);
  }

  #extend(message: number, slot: number, length: number): boolean {
    const segmentBytes = this.segmentBytes[message] ?? 0;
    const bytes = (this.bytes[message] ?? 0) + length;
    if (length > segmentBytes || bytes > mostMessageBytes) return false;
    const segments = (this.segments[message] ?? 0) + 1;
    if (segments > this.#options.segmentsPerMessage) return false;
    this.bytes[message] = bytes;
    this.segments[message] = segments;
    if (length < segmentBytes) this.#open[slot] = -1;
    return true;
  }

  #begin(peer: number, slot: number, length: number): number {
    const message = this.count++;
    this.peer[message] = peer;
    this.first[message] = -1;
    this.#last[message] = -1;
    this.bytes[message] = length;
    this.segments[message] = 1;
    this.segmentBytes[message] = length;
    const { segmentsPerMessage, segmentLimit } = this.#options;
    this.#open[slot] = segmentsPerMessage > 1 && length <= segmentLimit(peer) ? message : -1;
    return message;
  }

  #append(message: number, offset: number, length: number): number {
    const piece = this.pieces.add(this.#last[message] ?? -1, offset, length);
    if (this.first[message] === -1) this.first[message] = piece;
    return piece;
  }
}
