/** A network's status with what the caller knows besides: what the daemon says, what the devices have counted. */
import type { Family } from '../base/ip.ts';
import type { LiveStatus } from '../control/live-status.ts';
import type { ProbeFacts } from '../control/probe-facts.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { HostStatus } from '../view/host-status.ts';
import type { PeerStatus } from '../view/peer-status.ts';
import type { LinkStatistics } from '../wire/link-statistics.ts';

export interface ToldStatus extends HostStatus {
  /** Name of the network among several. */
  readonly network: string | undefined;
  readonly daemon: DaemonFacts;
  /** When the lease ends, in Unix time; undefined: never, or it is not known. */
  readonly leaseEndsMs: number | undefined;
  readonly statistics: ReadonlyMap<LinkName, LinkStatistics>;
  /** What the daemon found of each peer, by {@link probeName}. */
  readonly probes: ReadonlyMap<string, ProbeFacts>;
  /** When all this was read, in Unix time. */
  readonly nowMs: number;
}

export interface DaemonFacts {
  readonly runs: boolean;
  readonly live: LiveStatus | undefined;
  /** Why a daemon that runs says nothing: it hangs, or this user may not ask it. Undefined where it is an older one. */
  readonly mute: 'hangs' | 'refuses' | undefined;
}

export function probeName({ peer, family }: Pick<ProbeFacts, 'peer' | 'family'>): string {
  return `${family} ${peer}`;
}

export function probeOf(
  { probes }: Pick<ToldStatus, 'probes'>,
  { families }: PeerStatus,
  family: Family,
): ProbeFacts | undefined {
  if (probes.size === 0) return undefined;
  const subnet = (of: Family) => families.find(one => one.family === of)?.subnet;
  return probes.get(probeName({ peer: formatSubnetKey({ ipv4: subnet(4), ipv6: subnet(6) }), family }));
}

/** Silent, though it has answered before. One that never did may have nobody there who knows how to. */
export function hasFallenSilent(facts: ProbeFacts | undefined): boolean {
  return facts?.verdict === 'silent' && facts.lastAnswerMs !== undefined;
}

export function isPeerLost(status: Pick<ToldStatus, 'probes'>, peer: PeerStatus): boolean {
  return peer.families.some(({ family }) => hasFallenSilent(probeOf(status, peer, family)));
}

/**
 * True when this host is a member, its daemon runs and is content, everything leads where it shall, and nobody has fallen
 * silent.
 */
export function isHealthy(status: ToldStatus): boolean {
  const { registry, kernel, peers, daemon } = status;
  if (registry.problem !== undefined || kernel === undefined || !isContent(daemon)) return false;
  const { missing, differing, leftOver } = kernel;
  if (missing + differing + leftOver > 0) return false;
  return peers.every(peer => leadsThere(peer) && !isPeerLost(status, peer));
}

export function leadsThere({ state }: Pick<PeerStatus, 'state'>): boolean {
  return state === 'programmed' || state === 'carried';
}

function isContent({ runs, live, mute }: DaemonFacts): boolean {
  if (live === undefined) return runs && mute !== 'hangs';
  return live.ready && live.network?.registry.staleSinceMs === undefined;
}
