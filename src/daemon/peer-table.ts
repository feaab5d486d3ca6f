/**
 * The peers' leases and the kernel objects that follow from them. Who holds an object keeps it: a lease that
 * would take what another peer already has is refused, and looked at again when something changes.
 */
import type { Backend, Host, PeerPlan } from '../backend/backend.ts';
import { type Prefix, prefixCovers, prefixLength } from '../base/prefix.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { formatLeaseAttrs } from '../lease/lease-attrs.ts';
import { PrefixClaims } from '../lease/prefix-claims.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import { type KernelObject, keyOf, type ObjectKey } from '../state/kernel-object.ts';

/** What a change of leases means for the desired state. */
export interface PeerChange {
  readonly set: readonly KernelObject[];
  readonly unset: readonly ObjectKey[];
  /** Peers refused by this change, with the reason: each is told once. */
  readonly refused: ReadonlyArray<{ readonly lease: Lease; readonly reason: string }>;
}

/** A prefix that no peer's route may take whole, such as the underlay's; `what` names it. */
export interface Guarded {
  readonly prefix: Prefix;
  readonly what: string;
}

interface Peer {
  readonly lease: Lease;
  /** The lease's attributes as they are published, to tell a change from a renewal. */
  readonly text: string;
  readonly keys: readonly ObjectKey[];
  /** What is routed to the peer. */
  readonly routed: readonly Prefix[];
  /** Why nothing leads there; undefined for a peer in use. */
  readonly refusal: string | undefined;
}

export class PeerTable {
  #backend: Backend;
  #guarded: readonly Guarded[];
  #host: Host;
  /** By registry key, such as `10.2.14.0-24`. */
  readonly #peers = new Map<string, Peer>();
  /** The keys of those that are refused. */
  readonly #waiting = new Set<string>();
  readonly #owners = new Map<ObjectKey, string>();
  readonly #claims = new PrefixClaims();

  /** @param guarded what a peer's route must not take over beside what is ours and other peers' */
  constructor(backend: Backend, host: Host, guarded: readonly Guarded[] = []) {
    this.#backend = backend;
    this.#host = host;
    this.#guarded = guarded;
  }

  /** Number of peers in use. */
  get size(): number {
    return [...this.#peers.values()].filter(peer => peer.refusal === undefined).length;
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
    const names = new Set(leases.map(lease => formatSubnetKey(lease.subnet)));
    const gone = [...this.#peers.values()].filter(({ lease }) => !names.has(formatSubnetKey(lease.subnet)));
    return this.#change(
      gone.map(peer => peer.lease.subnet),
      this.#usualFirst(leases),
    );
  }

  put(lease: Lease): PeerChange {
    return this.#change([], [lease]);
  }

  remove(subnet: Subnet): PeerChange {
    return this.#change([subnet], []);
  }

  /** Plans all peers again, for a host or a backend that has changed. */
  rehost(backend: Backend, host: Host, guarded: readonly Guarded[] = this.#guarded): PeerChange {
    this.#backend = backend;
    this.#host = host;
    this.#guarded = guarded;
    const leases = this.leases;
    const change = new Change(this.#owners);
    for (const lease of leases) this.#release(formatSubnetKey(lease.subnet), change);
    for (const lease of leases) this.#place(lease, change);
    return change.result();
  }

  #change(removed: readonly Subnet[], put: readonly Lease[]): PeerChange {
    const change = new Change(this.#owners);
    for (const subnet of removed) this.#release(formatSubnetKey(subnet), change);
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

  /** Of two that overlap the first wins: let that be one of the length that the network's hosts lease. */
  #usualFirst(leases: readonly Lease[]): Lease[] {
    const { subnetLength } = this.#host.config;
    const isUsual = ({ subnet: { ipv4 } }: Lease): boolean =>
      ipv4 === undefined || prefixLength(ipv4) === subnetLength;
    return [...leases.filter(isUsual), ...leases.filter(lease => !isUsual(lease))];
  }

  #place(lease: Lease, change: Change): void {
    const name = formatSubnetKey(lease.subnet);
    const before = this.#peers.get(name);
    // Renewals write the same again, once a day and host.
    const text = formatLeaseAttrs(lease.attrs);
    if (before?.refusal === undefined && before?.text === text) return;
    const planned = this.#plan(name, lease);
    if (planned.type === 'refused') {
      this.#release(name, change);
      this.#peers.set(name, { lease, text, keys: [], routed: [], refusal: planned.reason });
      this.#waiting.add(name);
      if (before?.refusal !== planned.reason) change.refuse(lease, planned.reason);
      return;
    }
    const keys = planned.objects.map(keyOf);
    for (const key of before?.keys ?? []) if (!keys.includes(key)) change.drop(key);
    for (const object of planned.objects) change.take(object, name);
    const routed = routedBy(planned);
    for (const prefix of before?.routed ?? []) this.#claims.release(prefix);
    for (const prefix of routed) this.#claims.claim(prefix, name);
    this.#peers.set(name, { lease, text, keys, routed, refusal: undefined });
    this.#waiting.delete(name);
  }

  #plan(name: string, lease: Lease): PeerPlan {
    const plan = this.#backend.planPeer(this.#host, lease);
    if (plan.type === 'refused') return plan;
    const routed = routedBy(plan);
    const taken = this.#guarded.find(({ prefix }) => routed.some(one => prefixCovers(one, prefix)));
    if (taken !== undefined)
      return { type: 'refused', reason: `would take ${taken.what} ${taken.prefix} away` };
    const holder = [
      ...plan.objects.map(object => this.#owners.get(keyOf(object))),
      ...routed.map(prefix => this.#claims.holderOf(prefix)),
    ].find(owner => owner !== undefined && owner !== name);
    if (holder === undefined) return plan;
    return { type: 'refused', reason: `claims the subnet or VTEP MAC of ${holder}` };
  }

  #release(name: string, change: Change): void {
    const { keys = [], routed = [] } = this.#peers.get(name) ?? {};
    for (const key of keys) change.drop(key);
    for (const prefix of routed) this.#claims.release(prefix);
    this.#peers.delete(name);
    this.#waiting.delete(name);
  }
}

function routedBy(plan: Extract<PeerPlan, { type: 'objects' }>): Prefix[] {
  return plan.objects.flatMap(object => (object.type === 'route' ? [object.value.dst] : []));
}

/** Collects one change; the later word on a key wins. */
class Change {
  readonly #owners: Map<ObjectKey, string>;
  readonly #set = new Map<ObjectKey, KernelObject>();
  readonly #unset = new Set<ObjectKey>();
  readonly #refused: Array<{ lease: Lease; reason: string }> = [];

  constructor(owners: Map<ObjectKey, string>) {
    this.#owners = owners;
  }

  get freed(): boolean {
    return this.#unset.size > 0;
  }

  take(object: KernelObject, owner: string): void {
    const key = keyOf(object);
    this.#owners.set(key, owner);
    this.#unset.delete(key);
    this.#set.set(key, object);
  }

  drop(key: ObjectKey): void {
    this.#owners.delete(key);
    this.#set.delete(key);
    this.#unset.add(key);
  }

  refuse(lease: Lease, reason: string): void {
    this.#refused.push({ lease, reason });
  }

  result(): PeerChange {
    return { set: [...this.#set.values()], unset: [...this.#unset], refused: this.#refused };
  }
}
