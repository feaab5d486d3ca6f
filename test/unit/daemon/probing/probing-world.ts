/** A network of peers that answer, or not, on a clock that the test moves. */
import type { PeerPlan } from '../../../../src/backend/backend.ts';
import { parseIp } from '../../../../src/base/ip.ts';
import { type Prefix, parsePrefix } from '../../../../src/base/prefix.ts';
import { ProbeSchedule, type Sent } from '../../../../src/daemon/probing/probe-schedule.ts';
import { newPeer, type PeerTurn, type ProbedPeer } from '../../../../src/daemon/probing/probed-peer.ts';
import type { KernelObject } from '../../../../src/state/kernel-object.ts';

export interface SentProbe extends Sent {
  readonly peer: ProbedPeer;
  readonly atMs: number;
}

/** How long its answer takes; undefined: there is none. */
export type Behaviour = (probe: SentProbe) => number | 'too-large' | 'failed' | undefined;

/** What of a plan leads to the peer, as a `CarriedPeer` has it. */
export function reached(plan: PeerPlan): { readonly routed: Prefix[]; readonly objects: KernelObject[] } {
  const parts = plan.filter(part => part.type === 'reached');
  return { routed: parts.map(({ routed }) => routed), objects: parts.flatMap(({ objects }) => objects) };
}

export function createPeer(number = 14, wantedBytes = 1450): ProbedPeer {
  const [high, low] = [number >>> 8, number & 255];
  return newPeer({
    leased: { ipv4: parsePrefix(`10.${high}.${low}.0/24`), ipv6: undefined },
    family: 4,
    subnet: parsePrefix(`10.${high}.${low}.0/24`),
    address: parseIp(`10.${high}.${low}.0`),
    publicIp: parseIp('192.0.2.2'),
    wantedBytes,
  });
}

export function createWorld(behaviour: Behaviour, { intervalMs = 5000, random = Math.random } = {}) {
  const now = { ms: 1_000_000 };
  const answers: { readonly probe: SentProbe; readonly atMs: number }[] = [];
  const sent: SentProbe[] = [];
  const turns: { readonly peer: ProbedPeer; readonly turn: PeerTurn; readonly atMs: number }[] = [];
  const latencies: number[] = [];
  const world = { behaviour };
  const schedule = new ProbeSchedule({
    intervalMs,
    random,
    clock: { monotonicMs: () => now.ms, wallMs: () => 1_700_000_000_000 + now.ms },
    send: (peer, { number, bytes }) => {
      const probe = { peer, number, bytes, atMs: now.ms };
      sent.push(probe);
      const outcome = world.behaviour(probe);
      if (typeof outcome === 'string') return outcome;
      if (outcome !== undefined) answers.push({ probe, atMs: now.ms + outcome });
      return undefined;
    },
    onTurn: (peer, turn) => turns.push({ peer, turn, atMs: now.ms }),
    onLatency: latencyMs => latencies.push(latencyMs),
  });
  /** Lets time pass, a timer's rest of 50 ms at a time as the daemon does. */
  const pass = (milliseconds: number): void => {
    const endMs = now.ms + milliseconds;
    while (now.ms < endMs) {
      answers.sort((one, other) => one.atMs - other.atMs);
      const answerMs = answers[0]?.atMs ?? Number.POSITIVE_INFINITY;
      const tickMs = Math.max(now.ms + 50, schedule.nextMs);
      now.ms = Math.min(endMs, answerMs, tickMs);
      if (answerMs <= now.ms) for (const { probe } of answers.splice(0, 1)) schedule.answer(probe);
      else if (tickMs <= now.ms) schedule.advance();
    }
  };
  return {
    now,
    schedule,
    sent,
    turns,
    latencies,
    pass,
    become: (next: Behaviour) => (world.behaviour = next),
  };
}
