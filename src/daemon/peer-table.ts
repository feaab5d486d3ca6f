/**
 * The peers' leases and the kernel objects that follow from them. Who holds an object keeps it: a lease that
 * would take what another peer already has is refused, and looked at again when something changes.
 */
import type { Backend, Host } from '../backend/backend.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import { type KernelObject, keyOf, type ObjectKey } from '../state/kernel-object.ts';

/** What a change of leases means for the desired state. */
export interface PeerChange {
  readonly set: readonly KernelObject[];
  readonly unset: readonly ObjectKey[];
  /** Peers refused by this change, with the reason: each is told once. */
  readonly refused: ReadonlyArray<{ readonly lease: Lease; readonly reason: string }>;
}

interface Peer {
  readonly lease: Lease;
  readonly keys: readonly ObjectKey[];
  /** Why nothing leads there; undefined for a peer in use. */
  readonly refusal: string | undefined;
}

export class PeerTable {
  readonly #backend: Backend;
  #host: Host;
  /** By registry key, such as `10.2.14.0-24`. */
  readonly #peers = new Map<string, Peer>();
  readonly #owners = new Map<ObjectKey, string>();

  constructor(backend: Backend, host: Host) {
    this.#backend = backend;
    this.#host = host;
  }

  /** Number of peers in use. */
  get size(): number {
    return [...this.#peers.values()].filter(peer => peer.refusal === undefined).length;
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
    return this.#change([...gone.map(peer => peer.lease.subnet)], leases);
  }

  put(lease: Lease): PeerChange {
    return this.#change([], [lease]);
  }

  remove(subnet: Subnet): PeerChange {
    return this.#change([subnet], []);
  }

  #change(removed: readonly Subnet[], put: readonly Lease[]): PeerChange {
    const change = new Change(this.#owners);
    for (const subnet of removed) this.#release(formatSubnetKey(subnet), change);
    for (const lease of put) this.#place(lease, change);
    // What was given up may be what a refused peer was waiting for.
    if (change.freed) {
      for (const { lease, refusal } of [...this.#peers.values()]) {
        if (refusal !== undefined) this.#place(lease, change);
      }
    }
    return change.result();
  }

  #place(lease: Lease, change: Change): void {
    const name = formatSubnetKey(lease.subnet);
    const before = this.#peers.get(name);
    const planned = this.#plan(name, lease);
    if (planned.type === 'refused') {
      this.#release(name, change);
      this.#peers.set(name, { lease, keys: [], refusal: planned.reason });
      if (before?.refusal !== planned.reason) change.refuse(lease, planned.reason);
      return;
    }
    const keys = planned.objects.map(keyOf);
    for (const key of before?.keys ?? []) if (!keys.includes(key)) change.drop(key);
    for (const object of planned.objects) change.take(object, name);
    this.#peers.set(name, { lease, keys, refusal: undefined });
  }

  #plan(name: string, lease: Lease): ReturnType<Backend['planPeer']> {
    const plan = this.#backend.planPeer(this.#host, lease);
    if (plan.type === 'refused') return plan;
    const holder = plan.objects
      .map(object => this.#owners.get(keyOf(object)))
      .find(owner => owner !== undefined && owner !== name);
    if (holder === undefined) return plan;
    return { type: 'refused', reason: `claims the subnet or VTEP MAC of ${holder}` };
  }

  #release(name: string, change: Change): void {
    for (const key of this.#peers.get(name)?.keys ?? []) change.drop(key);
    this.#peers.delete(name);
  }
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
