/**
 * The loop between the TUN device and the underlay. All memory is one arena, laid out here:
 *
 *     sockets' batches | packets read | headers of segments | ICMP error | vectors | poll
 */
import { pointerOf, poll } from '../sys/libc.ts';
import type { AttachedTun } from '../sys/tun.ts';
import type { Ability } from './abilities.ts';
import { type Arena, createArena } from './arena.ts';
import { Coalescer } from './coalesce.ts';
import { type CounterArray, count, counter } from './counters.ts';
import type { Sockets } from './descriptors.ts';
import { Device, readBytes, vectorBytes } from './device.ts';
import { drop } from './drop-reasons.ts';
import { IcmpTeller, icmpErrorBytes } from './icmp-teller.ts';
import { Inbound } from './inbound.ts';
import { Outbound } from './outbound.ts';
import { mostSegments, Outgoing } from './outgoing.ts';
import { Peers } from './peers.ts';
import { Underlay, underlayBytes } from './underlay.ts';

export interface DataPathSetup {
  readonly sockets: Sockets;
  readonly port: number;
  readonly mtuBytes: number;
  /** The device's own addresses, in network order. */
  readonly sources: { readonly ipv4: Uint8Array | undefined; readonly ipv6: Uint8Array | undefined };
  readonly without: readonly Ability[];
  readonly counters: CounterArray;
}

/** A call of {@link DataPath.serve} ends after that long, so that the event loop hears of routes and of the end. */
const serveMs = 2;
/** How long it waits for more: cheaper than the way through the event loop. */
const waitMs = 1;

const headersBytes = 128 * 1024;
const POLLIN = 1;

export class DataPath {
  readonly peers = new Peers();
  readonly #setup: DataPathSetup;
  readonly #arena: Arena;
  readonly #pointer: number;
  readonly #at = layout();
  readonly #outgoing: Outgoing;
  readonly #outbound: Outbound;
  readonly #icmp: IcmpTeller;
  readonly #underlays: readonly Underlay[];
  #coalescer: Coalescer;
  #inbound: Inbound;
  #device: Device | undefined;
  #pollCount = 0;

  constructor(setup: DataPathSetup) {
    const { counters, mtuBytes, sources, without } = setup;
    this.#setup = setup;
    const arena = createArena(this.#at.end, { wasm: !without.includes('wasm-checksum') });
    const { peers } = this;
    this.#arena = arena;
    this.#pointer = pointerOf(arena.bytes);
    this.#underlays = this.#openUnderlays();
    this.#outgoing = new Outgoing({
      segmentsPerMessage: this.#segments() ? mostSegments : 1,
      headers: { offset: this.#at.headers, length: headersBytes },
      segmentLimit: peer => peers.segmentLimit(peer),
      onFull: () => this.#send(),
    });
    this.#icmp = new IcmpTeller(arena, {
      ...{ sources, mtuBytes, at: this.#at.icmp },
      nowMs: () => performance.now(),
      tell: (packet, length) => this.#tell(packet, length),
    });
    const { outgoing, icmp } = { outgoing: this.#outgoing, icmp: this.#icmp };
    this.#outbound = new Outbound({ arena, peers, outgoing, icmp, counters, mtuBytes });
    [this.#coalescer, this.#inbound] = this.#prepareInbound(undefined);
  }

  /** What is in use. */
  get abilities(): Ability[] {
    const { without } = this.#setup;
    const sockets = [this.#setup.sockets.ipv4, this.#setup.sockets.ipv6].filter(
      socket => socket !== undefined,
    );
    const has: Readonly<Record<Ability, boolean>> = {
      'tun-offloads': this.#device?.tun.vnetHeader === true,
      'udp-segment': this.#segments(),
      'udp-gro': sockets.every(socket => socket.receiveOffload),
      'batch-calls': this.#underlays.every(underlay => underlay.batchCalls),
      'wasm-checksum': this.#arena.summedBy === 'wasm',
    };
    return (Object.keys(has) as Ability[]).filter(ability => has[ability] && !without.includes(ability));
  }

  /** Gone with the device when that is deleted. */
  get device(): AttachedTun | undefined {
    return this.#device?.tun;
  }

  attach(tun: AttachedTun): void {
    const { counters } = this.#setup;
    const memory = { view: this.#arena.view, pointer: this.#pointer };
    this.#device = new Device(tun, { memory, readAt: this.#at.read, vectorsAt: this.#at.vectors, counters });
    [this.#coalescer, this.#inbound] = this.#prepareInbound(tun);
    this.#preparePoll();
  }

  /** Moves what there is to move, both ways, for a bounded time. */
  serve(): void {
    const until = performance.now() + serveMs;
    do {
      if (!this.#round() && poll(this.#pointer + this.#at.poll, this.#pollCount, waitMs) <= 0) return;
    } while (performance.now() < until);
  }

  /** False when there was nothing to do. */
  #round(): boolean {
    let worked = this.#device?.read(this.#outbound) ?? false;
    this.#send();
    for (const underlay of this.#underlays) {
      if (!underlay.receive(this.#inbound)) continue;
      this.#deliver();
      worked = true;
    }
    if (this.#device?.isLost === true) {
      this.#device = undefined;
      this.#preparePoll();
    }
    return worked;
  }

  /** To the kernel; or to the peer whose packet it was that came to its end here. */
  #tell(packet: number, length: number): void {
    const { counters } = this.#setup;
    const peer = this.peers.ofDestination(this.#arena.view, packet);
    if (peer < 0) {
      if (this.#device?.writeOwn(packet, length) === true) count(counters, counter.icmpErrors, 1);
      return;
    }
    this.#outgoing.packet(peer, packet, length);
    // The next one is written to the same place.
    this.#send();
    count(counters, counter.icmpErrors, 1);
  }

  /** Every queued message, and what has no socket for its peer's family is lost. */
  #send(): void {
    const outgoing = this.#outgoing;
    if (outgoing.count === 0) return;
    for (const underlay of this.#underlays) underlay.send(outgoing);
    if (this.#underlays.length < 2) this.#countUnreachable();
    outgoing.clear();
  }

  #countUnreachable(): void {
    const { counters, sockets } = this.#setup;
    const { count: messages, peer, segments } = this.#outgoing;
    for (let message = 0; message < messages; message++) {
      const isSix = this.peers.isSix(peer[message] ?? 0);
      const socket = isSix ? sockets.ipv6 : sockets.ipv4;
      if (socket === undefined) count(counters, drop['socket-refused'], segments[message] ?? 0);
    }
  }

  #deliver(): void {
    const coalescer = this.#coalescer;
    if (this.#device !== undefined) this.#device.write(coalescer);
    else {
      for (let index = 0; index < coalescer.count; index++) {
        count(this.#setup.counters, drop['device-refused'], coalescer.packets[index] ?? 0);
      }
    }
    coalescer.clear();
  }

  #segments(): boolean {
    const { sockets, without } = this.#setup;
    const all = [sockets.ipv4, sockets.ipv6].filter(socket => socket !== undefined);
    return !without.includes('udp-segment') && all.every(socket => socket.sendOffload);
  }

  #openUnderlays(): Underlay[] {
    const { sockets, port, counters, without } = this.#setup;
    const memory = { view: this.#arena.view, pointer: this.#pointer };
    const common = {
      port,
      batchCalls: !without.includes('batch-calls'),
      memory,
      peers: this.peers,
      counters,
    };
    const [four, six] = [sockets.ipv4, sockets.ipv6];
    return [
      ...(four === undefined
        ? []
        : [new Underlay({ ...common, fd: four.fd, isSix: false, at: this.#at.four })]),
      ...(six === undefined ? [] : [new Underlay({ ...common, fd: six.fd, isSix: true, at: this.#at.six })]),
    ];
  }

  #prepareInbound(tun: AttachedTun | undefined): [Coalescer, Inbound] {
    const { counters } = this.#setup;
    const [tcp, udp] = [tun?.vnetHeader === true, tun?.udpOffloads === true];
    const coalescer = new Coalescer(this.#arena, { tcp, udp, onFull: () => this.#deliver() });
    const { peers } = this;
    return [coalescer, new Inbound({ arena: this.#arena, peers, coalescer, icmp: this.#icmp, counters })];
  }

  #preparePoll(): void {
    const { sockets } = this.#setup;
    const { view } = this.#arena;
    const descriptors = [this.#device?.tun.fd, sockets.ipv4?.fd, sockets.ipv6?.fd].filter(
      fd => fd !== undefined,
    );
    for (const [index, fd] of descriptors.entries()) {
      view.setInt32(this.#at.poll + 8 * index, fd, true);
      view.setUint32(this.#at.poll + 8 * index + 4, POLLIN, true);
    }
    this.#pollCount = descriptors.length;
  }
}

/** Where in the arena what is. */
function layout() {
  let end = 0;
  const take = (bytes: number): number => {
    const at = end;
    end = (end + bytes + 63) & ~63;
    return at;
  };
  return {
    four: take(underlayBytes),
    six: take(underlayBytes),
    read: take(readBytes),
    headers: take(headersBytes),
    icmp: take(icmpErrorBytes),
    vectors: take(vectorBytes),
    poll: take(3 * 8),
    end,
  };
}
