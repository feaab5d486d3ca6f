/**
 * The peers' leases, the kernel objects that follow from them, and what the carrier leads to them. Who holds an object or
 * a prefix keeps it: a lease that would take what another peer already has is refused, and looked at again when
 * something changes. A peer of two families may be refused in one of them.
 */
import type { Backend, PeerPart, PeerPlan } from '../backend/backend.ts';
import { ipToBigInt, ipv4ToNumber } from '../base/ip.ts';
import { everything, type Prefix, prefixBase, prefixCovers, prefixLength } from '../base/prefix.ts';
import type { Lease, LeaseAttrs, Subnet } from '../lease/lease.ts';
import { PrefixClaims } from '../lease/prefix-claims.ts';
import { subnetId } from '../lease/subnet-id.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import { type KernelObject, type KernelState, keyOf, type ObjectKey } from '../state/kernel-object.ts';
import type { CarriedPeer } from './carried-peer.ts';
import { type Membership, planPeer, speaks } from './membership.ts';
import { isContestable, PeerChangeBuilder } from './peer-change.ts';

/** What a change of leases means for the desired state. */
export interface PeerChange {
  readonly set: KernelState;
  readonly unset: readonly ObjectKey[];
  /** For carriers: who can be reached now, or otherwise than before, and who no more. */
  readonly joined: readonly CarriedPeer[];
  readonly left: readonly CarriedPeer[];
  /** Peers refused by this change, with the reason: each is told once. */
  readonly refused: readonly PeerRefusal[];
}

export interface PeerRefusal {
  readonly lease: Lease;
  readonly reason: string;
  /** The other family's part is in use all the same. */
  readonly partly: boolean;
}

/** A prefix that no peer's route may take whole, such as the underlay's; `what` names it. */
export interface Guarded {
  readonly prefix: Prefix;
  readonly what: string;
}

interface Peer extends CarriedPeer {
  /** The lease by which it is reached: an earlier one, while a backend is published that we do not speak, or not yet. */
  readonly usable: Lease;
  /** Why nothing leads there, or one family's part does not; undefined for a peer wholly in use. */
  readonly refusal: string | undefined;
}

/** What the table needs of a membership. */
export type PeerRules = Pick<Membership, 'backend' | 'host' | 'former'>;

export class PeerTable {
  #rules: PeerRules;
  #guarded: readonly Guarded[];
  /** By {@link subnetId}. */
  readonly #peers = new Map<string, Peer>();
  /** The keys of those that are refused, wholly or in part. */
  readonly #waiting = new Set<string>();
  /** Of objects that two peers could claim. */
  readonly #owners = new Map<ObjectKey, string>();
  readonly #claims = new PrefixClaims();

  /** @param guarded what a peer's route must not take over beside what is ours and other peers' */
  constructor(rules: PeerRules, guarded: readonly Guarded[] = []) {
    this.#rules = rules;
    this.#guarded = guarded;
  }

  /** Number of peers in use. */
  get size(): number {
    return [...this.#peers.values()].filter(isInUse).length;
  }

  /** Number of all leases, in use or refused. */
  get known(): number {
    return this.#peers.size;
  }

  /** All leases, in use or refused. */
  get leases(): Lease[] {
    return [...this.#peers.values()].map(peer => peer.lease);
  }

  get refusals(): ReadonlyArray<{ readonly lease: Lease; readonly reason: string }> {
    return [...this.#peers.values()].flatMap(({ lease, refusal }) =>
      refusal === undefined ? [] : [{ lease, reason: refusal }],
    );
  }

  /** Takes `leases` for all there are. */
  replaceAll(leases: readonly Lease[]): PeerChange {
    const names = new Set(leases.map(lease => subnetId(lease.subnet)));
    const gone = [...this.#peers].flatMap(([name, peer]) => (names.has(name) ? [] : [peer]));
    return this.#change(
      gone.map(peer => peer.lease.subnet),
      this.#usualFirst(leases),
    );
  }

  /** @param replaces what the same host gives up for it in the same instant */
  put(lease: Lease, replaces?: Subnet): PeerChange {
    return this.#change(replaces === undefined ? [] : [replaces], [lease]);
  }

  remove(subnet: Subnet): PeerChange {
    return this.#change([subnet], []);
  }

  /** Plans all peers again, for a host or a backend that has changed. */
  rehost(rules: PeerRules, guarded: readonly Guarded[] = this.#guarded): PeerChange {
    this.#rules = rules;
    this.#guarded = guarded;
    const before = [...this.#peers];
    const change = new PeerChangeBuilder(this.#owners);
    for (const [name] of before) this.#release(name, change);
    for (const [, peer] of before) this.#place(peer.lease, change, peer);
    return change.result();
  }

  #change(removed: readonly Subnet[], put: readonly Lease[]): PeerChange {
    const change = new PeerChangeBuilder(this.#owners);
    for (const subnet of removed) this.#release(subnetId(subnet), change);
    for (const lease of put) this.#place(lease, change);
    // What was given up may be what a refused peer was waiting for.
    if (change.freed) {
      for (const name of [...this.#waiting]) {
        const lease = this.#peers.get(name)?.lease;
        if (lease !== undefined) this.#place(lease, change);
      }
    }
    return change.result();
  }

  /**
   * Of two that overlap the first wins: let that be one of the length that the network's hosts lease. In the order of their
   * addresses, in which claims are made in no time.
   */
  #usualFirst(leases: readonly Lease[]): Lease[] {
    const { subnetLength } = this.#rules.host.config;
    const isUsual = ({ subnet: { ipv4 } }: Lease): boolean =>
      ipv4 === undefined || prefixLength(ipv4) === subnetLength;
    return leases
      .map(lease => ({ lease, rank: isUsual(lease) ? 0 : 1, first: firstAddress(lease.subnet) }))
      .sort((one, other) => one.rank - other.rank || (one.first < other.first ? -1 : 1))
      .map(({ lease }) => lease);
  }

  /** @param earlier what is known of it, when it has been released for this */
  #place(lease: Lease, change: PeerChangeBuilder, earlier?: Peer): void {
    const name = subnetId(lease.subnet);
    const before = this.#peers.get(name);
    // Renewals write the same again, once a day and host.
    if (before !== undefined && before.refusal === undefined && publishesSame(before.lease, lease)) return;
    const known = before ?? earlier;
    const { usable, backend, plan } = this.#planOf(lease, known?.usable);
    let routed: readonly Prefix[] = [];
    const reasons: string[] = [];
    let objects: readonly KernelObject[] = [];
    for (const planned of plan) {
      const part = this.#judge(name, planned);
      if (part.type === 'refused') reasons.push(part.reason);
      else {
        // Joined, not grown: room to grow, in many thousand arrays, is memory for nothing.
        routed = routed.length === 0 ? [part.routed] : routed.concat(part.routed);
        objects = objects.length === 0 ? part.objects : objects.concat(part.objects);
      }
    }
    const refusal = reasons.length === 0 ? undefined : [...new Set(reasons)].join('; it ');
    const peer: Peer = { lease, routed, backend, usable, objects, refusal };
    if (before !== undefined && isSame(before, peer)) {
      this.#peers.set(name, peer);
      return;
    }
    if (before !== undefined) this.#giveUp(before, change);
    for (const object of objects) change.take(object, name);
    for (const prefix of routed) this.#claims.claim(prefix, name);
    if (isInUse(peer)) change.join(name, peer);
    this.#peers.set(name, peer);
    if (refusal === undefined) this.#waiting.delete(name);
    else this.#waiting.add(name);
    if (refusal !== undefined && refusal !== known?.refusal)
      change.refuse({ lease, reason: refusal, partly: isInUse(peer) });
  }

  /**
   * A peer that publishes what we do not speak has read a config that we have not, or the other way round. It still
   * takes what we sent before, as long as our own lease says that we send so (docs/adr/0018-former-backends.md).
   */
  #planOf(lease: Lease, earlier: Lease | undefined): Planned {
    const now = { usable: lease, ...planPeer(this.#rules, lease) };
    if (earlier === undefined || earlier === lease || speaks(this.#rules, lease)) return now;
    if (!speaks(this.#rules, earlier)) return now;
    const before = planPeer(this.#rules, earlier);
    const reached = before.plan.filter(part => part.type === 'reached');
    if (reached.length === 0) return now;
    const refusals = now.plan.map(part =>
      part.type === 'refused' ? { ...part, reason: `${part.reason}, and is reached as before` } : part,
    );
    return { usable: earlier, backend: before.backend, plan: [...reached, ...refusals] };
  }

  /** What leads to the peer, unless it would take what is ours or another's. */
  #judge(name: string, part: PeerPart): PeerPart {
    if (part.type === 'refused') return part;
    const taken = this.#guarded.find(({ prefix }) => prefixCovers(part.routed, prefix));
    if (taken !== undefined)
      return { type: 'refused', reason: `would take ${taken.what} ${taken.prefix} away` };
    const holder = this.#holderOf(part, name);
    return holder === undefined
      ? part
      : { type: 'refused', reason: `claims the subnet or VTEP MAC of ${this.#keyOf(holder)}` };
  }

  /** Whoever but the peer itself has something of what shall lead to it. */
  #holderOf({ routed, objects }: Extract<PeerPart, { type: 'reached' }>, name: string): string | undefined {
    for (const object of objects) {
      const owner = isContestable(object) ? this.#owners.get(keyOf(object)) : undefined;
      if (owner !== undefined && owner !== name) return owner;
    }
    const claimant = this.#claims.holderOf(routed);
    return claimant === name ? undefined : claimant;
  }

  /** A peer's registry key, such as `10.2.14.0-24`. */
  #keyOf(name: string): string {
    const peer = this.#peers.get(name);
    return peer === undefined ? name : formatSubnetKey(peer.lease.subnet);
  }

  #giveUp(peer: Peer, change: PeerChangeBuilder): void {
    for (const object of peer.objects) change.drop(object);
    for (const prefix of peer.routed) this.#claims.release(prefix);
    if (isInUse(peer)) change.leave(subnetId(peer.lease.subnet), peer);
  }

  #release(name: string, change: PeerChangeBuilder): void {
    const peer = this.#peers.get(name);
    if (peer !== undefined) this.#giveUp(peer, change);
    this.#peers.delete(name);
    this.#waiting.delete(name);
  }
}

function firstAddress({ ipv4, ipv6 }: Subnet): number | bigint {
  const base = prefixBase(ipv4 ?? ipv6 ?? everything[6]);
  return ipv4ToNumber(base) ?? ipToBigInt(base);
}

interface Planned {
  readonly usable: Lease;
  readonly backend: Backend;
  readonly plan: PeerPlan;
}

function isSame(one: Peer, other: Peer): boolean {
  const facts = ({ refusal, objects, routed }: Peer): string =>
    JSON.stringify([refusal, objects.map(keyOf), routed]);
  return (
    one.backend === other.backend && facts(one) === facts(other) && publishesSame(one.lease, other.lease)
  );
}

function publishesSame({ attrs: one }: Lease, { attrs: other }: Lease): boolean {
  const data = ({ backendData, backendV6Data }: LeaseAttrs): string =>
    JSON.stringify([backendData, backendV6Data]);
  return (
    one.publicIp === other.publicIp &&
    one.publicIpv6 === other.publicIpv6 &&
    one.backendType === other.backendType &&
    data(one) === data(other)
  );
}

function isInUse({ refusal, routed }: Peer): boolean {
  return refusal === undefined || routed.length > 0;
}
