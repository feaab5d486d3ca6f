/** Who has which subnet, and where: the other hosts of the network, by number, so that the data path needs no text. */
import { familyOf, type IpAddress, ipToBytes } from '../base/ip.ts';
import { hostPrefix, type Prefix } from '../base/prefix.ts';
import { RouteTable } from './route-table.ts';

/** Of the datagrams that may share a message: all. */
const noLimit = 65_535;

export class Peers {
  readonly #routes = new RouteTable();
  readonly #senders = new RouteTable();
  readonly #byAddress = new Map<IpAddress, number>();
  readonly #byPrefix = new Map<Prefix, number>();
  /** By number; a number without routes is free for another peer. */
  readonly #peers: Array<{ readonly address: IpAddress; routes: number }> = [];
  readonly #free: number[] = [];
  #addresses = new Uint8Array(64 * addressBytes);
  #isSix = new Uint8Array(64);
  #segmentLimit = new Int32Array(64).fill(noLimit);

  /** Packets for `dst` go to `peer`, and those from there have a source inside. */
  set(dst: Prefix, peer: IpAddress): void {
    const number = this.#numberOf(peer);
    const entry = this.#peers[number];
    if (entry !== undefined) entry.routes++;
    this.unset(dst);
    this.#byPrefix.set(dst, number);
    this.#routes.set(dst, number);
  }

  unset(dst: Prefix): void {
    const number = this.#byPrefix.get(dst);
    if (number === undefined) return;
    this.#byPrefix.delete(dst);
    this.#routes.delete(dst);
    const entry = this.#peers[number];
    if (entry === undefined || --entry.routes > 0) return;
    this.#senders.delete(hostPrefix(entry.address));
    this.#byAddress.delete(entry.address);
    this.#free.push(number);
  }

  /** The peer that has the destination of the well-formed packet at `packet`; -1 for none. */
  ofDestination(view: DataView, packet: number): number {
    if (view.getUint8(packet) >>> 4 === 6) return this.#routes.lookup6(view, packet + 24);
    return this.#routes.lookup4(view.getUint32(packet + 16));
  }

  /** The peer that has its source; -1 for none. */
  ofSource(view: DataView, packet: number): number {
    if (view.getUint8(packet) >>> 4 === 6) return this.#routes.lookup6(view, packet + 8);
    return this.#routes.lookup4(view.getUint32(packet + 12));
  }

  /** The peer whose underlay address lies at `address`; -1 for a stranger. */
  ofSender(view: DataView, address: number, isSix: boolean): number {
    if (isSix) return this.#senders.lookup6(view, address);
    return this.#senders.lookup4(view.getUint32(address));
  }

  isSix(peer: number): boolean {
    return this.#isSix[peer] === 1;
  }

  /** Copies the peer's address, 4 or 16 bytes in network order, into `view`. */
  writeAddress(peer: number, view: DataView, at: number): void {
    const from = peer * addressBytes;
    const to = this.#isSix[peer] === 1 ? addressBytes : 4;
    for (let byte = 0; byte < to; byte++) view.setUint8(at + byte, this.#addresses[from + byte] ?? 0);
  }

  /** The longest datagram that may go to the peer as part of a UDP_SEGMENT message. */
  segmentLimit(peer: number): number {
    return this.#segmentLimit[peer] ?? 0;
  }

  /** The kernel refused a message of such datagrams, as it does when they do not fit the path: no more of them. */
  limitSegments(peer: number, refusedBytes: number): void {
    this.#segmentLimit[peer] = Math.min(this.segmentLimit(peer), refusedBytes - 1);
  }

  /** Paths change: try again. */
  forgetLimits(): void {
    this.#segmentLimit.fill(noLimit);
  }

  #numberOf(address: IpAddress): number {
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    const number = this.#free.pop() ?? this.#peers.length;
    this.#makeRoomFor(number);
    this.#peers[number] = { address, routes: 0 };
    this.#byAddress.set(address, number);
    this.#senders.set(hostPrefix(address), number);
    this.#addresses.set(ipToBytes(address), number * addressBytes);
    this.#isSix[number] = familyOf(address) === 6 ? 1 : 0;
    this.#segmentLimit[number] = noLimit;
    return number;
  }

  #makeRoomFor(number: number): void {
    const room = this.#isSix.length;
    if (number < room) return;
    this.#addresses = grown(this.#addresses, new Uint8Array(2 * room * addressBytes));
    this.#isSix = grown(this.#isSix, new Uint8Array(2 * room));
    this.#segmentLimit = grown(this.#segmentLimit, new Int32Array(2 * room));
  }
}

const addressBytes = 16;

function grown<T extends Uint8Array | Int32Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}
