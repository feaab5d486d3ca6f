/**
 * The tunnel's two paths without descriptors: what came from the wire becomes what would be written to the TUN device,
 * and what was read from the device becomes datagrams.
 */
import type { IpAddress } from '../../src/base/ip.ts';
import { ipToBytes } from '../../src/base/ip.ts';
import type { Prefix } from '../../src/base/prefix.ts';
import { type Arena, createArena } from '../../src/tunnel/arena.ts';
import { Coalescer } from '../../src/tunnel/coalesce.ts';
import { createCounters, readCounters } from '../../src/tunnel/counters.ts';
import { IcmpTeller, icmpErrorBytes } from '../../src/tunnel/icmp-teller.ts';
import { Inbound } from '../../src/tunnel/inbound.ts';
import { Outbound } from '../../src/tunnel/outbound.ts';
import { Outgoing } from '../../src/tunnel/outgoing.ts';
import { Peers } from '../../src/tunnel/peers.ts';
import type { Pieces } from '../../src/tunnel/pieces.ts';
import { vnetHeaderBytes } from '../../src/tunnel/vnet-header.ts';

export interface TunnelPathsOptions {
  readonly routes: ReadonlyArray<{ readonly dst: Prefix; readonly peer: IpAddress }>;
  readonly addresses: { readonly ipv4: IpAddress; readonly ipv6: IpAddress };
  readonly mtuBytes: number;
  /** False: checksums in JavaScript. */
  readonly wasm?: boolean;
  /** False: the device takes no super-packets. */
  readonly merges?: boolean;
}

/** What recvmsg gives: datagrams of one sender, one behind the other. */
export interface Message {
  /** Undefined for somebody who is no peer. */
  readonly sender: IpAddress | undefined;
  readonly bytes: Uint8Array;
  /** Of each but the last; 0 for one datagram. */
  readonly segmentBytes: number;
}

export interface Datagram {
  readonly peer: number;
  readonly bytes: Uint8Array;
}

export interface TunnelPaths {
  /** The writes to the TUN device, virtio headers and all, in order; ICMP errors among them in `errors`. */
  receive(messages: readonly Message[]): { written: Uint8Array[]; errors: Uint8Array[] };
  /** The datagrams to the underlay, and ICMP errors. @param reads with their virtio headers */
  transmit(reads: readonly Uint8Array[]): { sent: Datagram[]; errors: Uint8Array[] };
  /** By reason, since the beginning. */
  drops(): Readonly<Record<string, number>>;
}

// From the front: what comes in; then headers of segments, a virtio header, an ICMP error.
const inputBytes = 0x700000;
const headersAt = inputBytes;
const headersBytes = 0x80000;
const vnetAt = headersAt + headersBytes;
const errorAt = vnetAt + 16;
const arenaBytes = errorAt + icmpErrorBytes;

export function createTunnelPaths(options: TunnelPathsOptions): TunnelPaths {
  const arena = createArena(arenaBytes, options.wasm === undefined ? {} : { wasm: options.wasm });
  const peers = new Peers();
  for (const { dst, peer } of options.routes) peers.set(dst, peer);
  const counters = createCounters();
  const errors: Uint8Array[] = [];
  let nowMs = 0;
  const icmp = new IcmpTeller(arena, {
    sources: { ipv4: ipToBytes(options.addresses.ipv4), ipv6: ipToBytes(options.addresses.ipv6) },
    mtuBytes: options.mtuBytes,
    at: errorAt,
    // Time enough between two errors that none is held back.
    nowMs: () => (nowMs += 1000),
    tell: (packet, length) => void errors.push(arena.bytes.slice(packet, packet + length)),
  });
  const written: Uint8Array[] = [];
  const merges = options.merges ?? true;
  const coalescer = new Coalescer(arena, { tcp: merges, udp: merges, onFull: () => write() });
  const write = (): void => {
    for (let index = 0; index < coalescer.count; index++) written.push(writeOf(arena, coalescer, index));
    coalescer.clear();
  };
  const sent: Datagram[] = [];
  const outgoing = new Outgoing({
    segmentsPerMessage: 64,
    headers: { offset: headersAt, length: headersBytes },
    segmentLimit: peer => peers.segmentLimit(peer),
    onFull: () => send(),
  });
  const send = (): void => {
    for (let index = 0; index < outgoing.count; index++) sent.push(...datagramsOf(arena, outgoing, index));
    outgoing.clear();
  };
  const inbound = new Inbound({ arena, peers, coalescer, icmp, counters });
  const outbound = new Outbound({ arena, peers, outgoing, icmp, counters, mtuBytes: options.mtuBytes });
  /** Places each input behind the last, and gives what has come of them when there is no more room or no more input. */
  const each = <T>(
    inputs: readonly T[],
    bytesOf: (input: T) => Uint8Array,
    take: (input: T, at: number) => void,
    flush: () => void,
  ): void => {
    let at = 0;
    for (const input of inputs) {
      const bytes = bytesOf(input);
      if (at + bytes.length > inputBytes) {
        flush();
        at = 0;
      }
      arena.bytes.set(bytes, at);
      take(input, at);
      at += bytes.length;
    }
    flush();
  };
  return {
    receive: messages => {
      const take = ({ sender, bytes, segmentBytes }: Message, at: number): void =>
        inbound.message(numberOf(peers, sender), at, bytes.length, segmentBytes, true);
      each(messages, ({ bytes }) => bytes, take, write);
      return { written: written.splice(0), errors: errors.splice(0) };
    },
    transmit: reads => {
      const take = (read: Uint8Array, at: number): void => outbound.packetWithHeader(at, read.length);
      each(reads, read => read, take, send);
      return { sent: sent.splice(0), errors: errors.splice(0) };
    },
    drops: () => readCounters(counters, []).drops,
  };
}

function numberOf(peers: Peers, sender: IpAddress | undefined): number {
  if (sender === undefined) return -1;
  const bytes = ipToBytes(sender);
  return peers.ofSender(new DataView(bytes.buffer), 0, bytes.length === 16);
}

/** A write of one packet goes with an empty virtio header, one of several with what the kernel has to do. */
function writeOf(arena: Arena, coalescer: Coalescer, index: number): Uint8Array {
  arena.bytes.fill(0, vnetAt, vnetAt + vnetHeaderBytes);
  if ((coalescer.packets[index] ?? 0) > 1) coalescer.finish(index, vnetAt);
  const packet = gather(arena, coalescer.pieces, coalescer.first[index] ?? -1);
  return joined(arena.bytes.subarray(vnetAt, vnetAt + vnetHeaderBytes), packet);
}

function datagramsOf(arena: Arena, outgoing: Outgoing, index: number): Datagram[] {
  const [peer, size] = [outgoing.peer[index] ?? -1, outgoing.segmentBytes[index] ?? 0];
  const message = gather(arena, outgoing.pieces, outgoing.first[index] ?? -1);
  return Array.from({ length: outgoing.segments[index] ?? 0 }, (_, segment) => ({
    peer,
    bytes: message.slice(segment * size, (segment + 1) * size),
  }));
}

function gather(arena: Arena, pieces: Pieces, first: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let piece = first; piece >= 0; piece = pieces.next[piece] ?? -1) {
    const offset = pieces.offset[piece] ?? 0;
    parts.push(arena.bytes.subarray(offset, offset + (pieces.length[piece] ?? 0)));
  }
  return joined(...parts);
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
