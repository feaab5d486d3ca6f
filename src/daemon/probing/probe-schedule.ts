/**
 * When which peer is asked, with how large a packet, and what its answer or its silence means. Nothing here waits.
 *
 *     due ─> sent, as fast as the limit allows ─> waits for its answer ─answered, or lost after a second─> due again
 */
import type { Clock } from '../../base/clock.ts';
import { DueQueue } from './due-queue.ts';
import { smallBytes } from './probe-message.ts';
import {
  isPressing,
  nextBytes,
  type PeerTurn,
  type ProbedPeer,
  type ProbeTimes,
  takeAnswer,
  takeLoss,
  takeRefusal,
} from './probed-peer.ts';

export interface ProbeScheduleOptions {
  readonly intervalMs: number;
  readonly clock: Pick<Clock, 'monotonicMs' | 'wallMs'>;
  /** Uniform in [0, 1). */
  random(): number;
  /** Why not: `too-large` for this host's own device, or anything else, which counts as lost; undefined when sent. */
  send(peer: ProbedPeer, probe: Sent): 'too-large' | 'failed' | undefined;
  onTurn(peer: ProbedPeer, turn: PeerTurn): void;
  /** A small packet was answered. */
  onLatency(latencyMs: number): void;
}

export interface Sent {
  readonly number: number;
  readonly bytes: number;
}

interface Awaited {
  readonly peer: ProbedPeer;
  readonly bytes: number;
  readonly sentMs: number;
}

/** Chosen: an answer that takes longer is of no use to a container's TCP either. */
export const patienceMs = 1000;
/** Chosen: 0.3 Mbit/s, and what a slow processor bears. With more than 2,500 peers at the default interval each waits longer. */
export const mostPerSecond = 500;
/** As much as falls due while the timer sleeps, and no burst. */
const mostAtOnce = 30;
/** Chosen: a host that joins has made its device by then, as a rule. */
const firstAfterMs = 500;
const firstWithinMs = 1000;
const searchEveryMs = 60_000;

export class ProbeSchedule {
  /** Small packets: those that look for the largest do not count. */
  sent = 0;
  lost = 0;
  readonly #options: ProbeScheduleOptions;
  readonly #due = new DueQueue<ProbedPeer>();
  /** By number, the oldest first. */
  readonly #awaited = new Map<number, Awaited>();
  #number = 0;
  #allowance = mostAtOnce;
  #allowedMs = 0;

  constructor(options: ProbeScheduleOptions) {
    this.#options = options;
  }

  /** When something is to be done next; infinite when nothing is. */
  get nextMs(): number {
    const [oldest] = this.#awaited.values();
    const timeoutMs = oldest === undefined ? Number.POSITIVE_INFINITY : oldest.sentMs + patienceMs;
    const missing = Math.max(0, 1 - this.#allowance);
    const allowedMs = this.#allowedMs + (missing * 1000) / mostPerSecond;
    return Math.min(timeoutMs, Math.max(this.#due.firstMs, allowedMs));
  }

  /** Asks a peer from now on, for the first time within a second and a half, until it is `gone`. */
  add(peer: ProbedPeer): void {
    const { clock, random } = this.#options;
    this.#due.add(peer, clock.monotonicMs() + firstAfterMs + random() * firstWithinMs);
  }

  /** Does what is due by now. */
  advance(): void {
    const times = this.#times();
    const { nowMs } = times;
    this.#giveUp(nowMs);
    const gained = ((nowMs - this.#allowedMs) * mostPerSecond) / 1000;
    this.#allowance = Math.min(mostAtOnce, this.#allowance + gained);
    this.#allowedMs = nowMs;
    while (this.#due.firstMs <= nowMs && this.#allowance >= 1) {
      const peer = this.#due.take();
      if (peer !== undefined && !peer.gone) this.#ask(peer, times);
    }
  }

  /** An answer that came too late, or whose size is another, is none. */
  answer({ number, bytes }: Sent): void {
    const awaited = this.#awaited.get(number);
    if (awaited === undefined || awaited.bytes !== bytes) return;
    this.#awaited.delete(number);
    const { peer, sentMs } = awaited;
    if (peer.gone) return;
    const times = this.#times();
    const latencyMs = times.nowMs - sentMs;
    if (bytes === smallBytes) this.#options.onLatency(latencyMs);
    if (!isObsolete(peer, bytes)) this.#turn(peer, takeAnswer(peer, latencyMs, times));
    this.#again(peer, times.nowMs);
  }

  #giveUp(nowMs: number): void {
    for (const [number, { peer, bytes, sentMs }] of this.#awaited) {
      if (sentMs + patienceMs > nowMs) return;
      this.#awaited.delete(number);
      if (peer.gone) continue;
      if (bytes === smallBytes) this.lost++;
      if (!isObsolete(peer, bytes)) this.#turn(peer, takeLoss(peer));
      this.#again(peer, nowMs);
    }
  }

  #ask(peer: ProbedPeer, times: ProbeTimes): void {
    const { clock, send, intervalMs, random } = this.#options;
    this.#allowance -= 1;
    this.#number = (this.#number + 1) >>> 0;
    const probe = { number: this.#number, bytes: nextBytes(peer) };
    if (!peer.asksSize) {
      this.sent++;
      // The second comes anywhere within the interval, so that peers which joined together do not stay together.
      const spread = peer.regularMs === 0 ? random() : 0.9 + 0.2 * random();
      peer.regularMs = times.nowMs + intervalMs * spread;
    }
    const sentMs = clock.monotonicMs();
    if (send(peer, probe) === 'too-large' && peer.asksSize) {
      this.#turn(peer, takeRefusal(peer, times));
      this.#again(peer, times.nowMs);
    } else {
      this.#awaited.set(probe.number, { peer, bytes: probe.bytes, sentMs });
    }
  }

  #again(peer: ProbedPeer, nowMs: number): void {
    this.#due.add(peer, isPressing(peer) ? nowMs : Math.max(nowMs, peer.regularMs));
  }

  #turn(peer: ProbedPeer, turn: PeerTurn | undefined): void {
    if (turn !== undefined) this.#options.onTurn(peer, turn);
  }

  #times(): ProbeTimes {
    const { clock, random } = this.#options;
    const nowMs = clock.monotonicMs();
    const nextSearchMs = nowMs + searchEveryMs * (0.9 + 0.2 * random());
    return { nowMs, wallMs: clock.wallMs(), nextSearchMs };
  }
}

/** A size of a search that has ended meanwhile, because another MTU is wanted. */
function isObsolete({ asksSize }: ProbedPeer, bytes: number): boolean {
  return bytes !== smallBytes && !asksSize;
}
