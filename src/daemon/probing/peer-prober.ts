/**
 * Asks every peer now and then whether it is there, by an echo request that its kernel answers
 * (docs/adr/0020-peer-probing.md). One raw socket for each family and one timer, however many peers there are.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { hasCode } from '../../base/errors.ts';
import type { Family } from '../../base/ip.ts';
import type { Log } from '../../base/log.ts';
import type { ProbeFacts } from '../../control/probe-facts.ts';
import type { CarriedPeer } from '../../host/carried-peer.ts';
import type { Membership } from '../../host/membership.ts';
import type { PeerChange } from '../../host/peer-table.ts';
import { subnetId } from '../../lease/subnet-id.ts';
import { Histogram } from '../../metrics/histogram.ts';
import { IcmpSocket } from '../../sys/icmp-socket.ts';
import { decodeProbeReply, encodeProbe } from './probe-message.ts';
import { ProbeReport } from './probe-report.ts';
import { ProbeSchedule, type Sent } from './probe-schedule.ts';
import { type ProbeTarget, targetsOf } from './probe-target.ts';
import { factsOf, newPeer, type ProbedPeer, wantOtherwise } from './probed-peer.ts';

export interface PeerProberOptions {
  /** How often each peer is asked; undefined: never, and all are `unprobed`. */
  readonly intervalSeconds: number | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  /** By which peers are reached, at this moment. */
  membership(): Pick<Membership, 'backend' | 'host' | 'former'>;
  /** Does something in the network namespace of the devices. */
  inside<T>(act: () => T): T;
}

/** Chosen: what falls due in between goes together, which saves a busy host most of its wakings. */
const restMs = 50;
const latencyBounds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1];

export class PeerProber {
  /** Of the small packets that were answered; seconds. */
  readonly latency = new Histogram(latencyBounds);
  readonly #options: PeerProberOptions;
  readonly #cookie = randomBytes(8);
  readonly #closing = new AbortController();
  readonly #report: ProbeReport;
  readonly #schedule: ProbeSchedule;
  /** By {@link subnetId}, one for each family. */
  readonly #peers = new Map<string, readonly ProbedPeer[]>();
  /** Undefined where there can be none. */
  readonly #sockets = new Map<Family, IcmpSocket | undefined>();
  #timer: { readonly handle: NodeJS.Timeout; readonly atMs: number } | undefined;
  #advancedMs = Number.NEGATIVE_INFINITY;

  constructor(options: PeerProberOptions) {
    const { log, clock, random, intervalSeconds = 0 } = options;
    this.#options = options;
    this.#report = new ProbeReport({ log, clock, signal: this.#closing.signal });
    this.#schedule = new ProbeSchedule({
      ...{ clock, random },
      intervalMs: intervalSeconds * 1000,
      send: (peer, probe) => this.#send(peer, probe),
      onTurn: (peer, turn) => this.#report.note(peer, turn),
      onLatency: latencyMs => this.latency.observe(latencyMs / 1000),
    });
  }

  /** What is known of each peer in use, once for each family that leads to it. */
  get facts(): readonly ProbeFacts[] {
    return [...this.#peers.values()].flatMap(families => families.map(factsOf));
  }

  /** Small packets sent, and those of them that were not answered. */
  get counts(): { readonly sent: number; readonly lost: number } {
    const { sent, lost } = this.#schedule;
    return { sent, lost };
  }

  /** Follows the peers; one that is reached as before keeps what is known of it. */
  change({ joined, left }: Pick<PeerChange, 'joined' | 'left'>): void {
    if (this.#closing.signal.aborted) return;
    const names = new Set(joined.map(({ lease }) => subnetId(lease.subnet)));
    for (const { lease } of left) {
      const name = subnetId(lease.subnet);
      if (!names.has(name)) this.#set(name, []);
    }
    for (const peer of joined) this.#join(peer);
    this.#arm();
  }

  close(): void {
    this.#closing.abort();
    clearTimeout(this.#timer?.handle);
    this.#timer = undefined;
    for (const socket of this.#sockets.values()) socket?.close();
    this.#sockets.clear();
  }

  #join(peer: CarriedPeer): void {
    const targets = targetsOf(this.#options.membership(), peer);
    const name = subnetId(peer.lease.subnet);
    const known = this.#peers.get(name) ?? [];
    this.#set(
      name,
      targets.map(target => {
        const same = known.find(one => isSame(one.target, target));
        if (same === undefined) return this.#begin(target);
        if (same.target.wantedBytes !== target.wantedBytes) wantOtherwise(same, target);
        return same;
      }),
    );
  }

  #set(name: string, families: readonly ProbedPeer[]): void {
    for (const peer of this.#peers.get(name) ?? []) peer.gone = !families.includes(peer);
    if (families.length === 0) this.#peers.delete(name);
    else this.#peers.set(name, families);
  }

  #begin(target: ProbeTarget): ProbedPeer {
    const peer = newPeer(target);
    const { intervalSeconds } = this.#options;
    const isAsked = intervalSeconds !== undefined && target.address !== undefined;
    if (isAsked && this.#socketOf(target.family) !== undefined) this.#schedule.add(peer);
    return peer;
  }

  #socketOf(family: Family): IcmpSocket | undefined {
    if (!this.#sockets.has(family)) this.#sockets.set(family, this.#open(family));
    return this.#sockets.get(family);
  }

  #open(family: Family): IcmpSocket | undefined {
    const { inside, log } = this.#options;
    try {
      return inside(() =>
        IcmpSocket.open({ family, probesPath: true, onReply: ({ message }) => this.#take(family, message) }),
      );
    } catch (error) {
      // A hardened unit is meant to be so.
      if (hasCode(error, 'icmp-forbidden')) {
        log.info({ remedy: error.remedy }, `peers are not probed by IPv${family}: ${error.message}`);
      } else {
        log.warn({ error }, `peers are not probed by IPv${family}: no socket for it`);
      }
      return undefined;
    }
  }

  #send({ target: { address, family } }: ProbedPeer, probe: Sent): 'too-large' | 'failed' | undefined {
    const socket = this.#sockets.get(family);
    if (socket === undefined || address === undefined) return 'failed';
    const failure = socket.send(address, encodeProbe(family, this.#cookie, probe));
    if (failure === undefined) return undefined;
    return failure.name === 'EMSGSIZE' ? 'too-large' : 'failed';
  }

  #take(family: Family, message: Uint8Array): void {
    const reply = decodeProbeReply(family, this.#cookie, message);
    if (reply === undefined) return;
    this.#schedule.answer(reply);
    this.#arm();
  }

  #advance(): void {
    this.#timer = undefined;
    this.#advancedMs = this.#options.clock.monotonicMs();
    this.#schedule.advance();
    this.#arm();
  }

  /** Sets the timer to when something is to be done, unless it wakes before that anyway. */
  #arm(): void {
    const { nextMs } = this.#schedule;
    if (!Number.isFinite(nextMs) || this.#closing.signal.aborted) return;
    const atMs = Math.max(nextMs, this.#advancedMs + restMs);
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    clearTimeout(this.#timer?.handle);
    const delayMs = Math.max(1, Math.ceil(atMs - this.#options.clock.monotonicMs()));
    this.#timer = { handle: setTimeout(() => this.#advance(), delayMs), atMs };
  }
}

function isSame(one: ProbeTarget, other: ProbeTarget): boolean {
  return one.address === other.address && one.publicIp === other.publicIp && one.subnet === other.subnet;
}
