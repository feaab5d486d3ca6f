/**
 * Which of the networks of a host may not be, because another has what it wants. Every host comes to the same verdict: it
 * follows from the registry alone, where the config that was changed last is taken for the mistake.
 */
import { type Clash, clashOf, type NetworkClaims } from './network-claims.ts';

export interface Candidate {
  readonly name: string;
  readonly claims: NetworkClaims;
  /** Revision of its config. */
  readonly revision: bigint;
}

/** What a network has on this host at present, whatever its config says by now. */
export interface Holding {
  readonly name: string;
  readonly claims: NetworkClaims;
}

export interface Refusal extends Clash {
  /** The network that has it. */
  readonly by: string;
  /** It has it by its config of before, and on this host alone; otherwise by its config, on all hosts. */
  readonly byFormerConfig: boolean;
}

/**
 * The refused, by name. Whoever was there first stays: by the revisions of their configs, then by name. Besides, nobody
 * is given what another still has here.
 */
export function arbitrate(
  candidates: readonly Candidate[],
  holdings: readonly Holding[],
): Map<string, Refusal> {
  const refusals = new Map<string, Refusal>();
  const accepted: Candidate[] = [];
  for (const candidate of [...candidates].sort(byAge)) {
    const refusal = clashAmong(candidate, accepted, false);
    if (refusal === undefined) accepted.push(candidate);
    else refusals.set(candidate.name, refusal);
  }
  for (const candidate of accepted) {
    const others = holdings.filter(({ name }) => name !== candidate.name);
    const refusal = clashAmong(candidate, others, true);
    if (refusal !== undefined) refusals.set(candidate.name, refusal);
  }
  return refusals;
}

function byAge(one: Candidate, other: Candidate): number {
  if (one.revision !== other.revision) return one.revision < other.revision ? -1 : 1;
  return one.name < other.name ? -1 : 1;
}

function clashAmong(
  { claims }: Candidate,
  others: readonly Holding[],
  byFormerConfig: boolean,
): Refusal | undefined {
  for (const other of others) {
    const clash = clashOf(claims, other.claims);
    if (clash !== undefined) return { ...clash, by: other.name, byFormerConfig };
  }
  return undefined;
}
