import { type KernelObject, keyOf, type ObjectKey } from '../state/kernel-object.ts';
import type { CarriedPeer } from './carried-peer.ts';
import type { PeerChange, PeerRefusal } from './peer-table.ts';

/** Collects one change of peers; the later word on a key, or on a peer, wins. */
export class PeerChangeBuilder {
  readonly #owners: Map<ObjectKey, string>;
  readonly #set = new Map<ObjectKey, KernelObject>();
  readonly #unset = new Set<ObjectKey>();
  readonly #joined = new Map<string, CarriedPeer>();
  readonly #left = new Map<string, CarriedPeer>();
  readonly #refused: PeerRefusal[] = [];

  /** @param owners who holds a contestable object, by the id of the peer's subnet; kept up to date */
  constructor(owners: Map<ObjectKey, string>) {
    this.#owners = owners;
  }

  /** Has anything been given up? */
  get freed(): boolean {
    return this.#unset.size > 0 || [...this.#left].some(([name, peer]) => !this.#keeps(name, peer));
  }

  take(object: KernelObject, owner: string): void {
    const key = keyOf(object);
    if (isContestable(object)) this.#owners.set(key, owner);
    this.#unset.delete(key);
    this.#set.set(key, object);
  }

  drop(object: KernelObject): void {
    const key = keyOf(object);
    this.#owners.delete(key);
    this.#set.delete(key);
    this.#unset.add(key);
  }

  join(name: string, peer: CarriedPeer): void {
    this.#joined.set(name, peer);
  }

  /** As it was before this change; joining afterwards does not undo it, for it may be reached otherwise now. */
  leave(name: string, peer: CarriedPeer): void {
    if (!this.#joined.delete(name)) this.#left.set(name, peer);
  }

  refuse(refusal: PeerRefusal): void {
    this.#refused.push(refusal);
  }

  result(): PeerChange {
    return {
      set: this.#set,
      unset: [...this.#unset],
      joined: [...this.#joined.values()],
      left: [...this.#left.values()],
      refused: this.#refused,
    };
  }

  /** Does a peer that left hold on, in joining again, to all that led to it? */
  #keeps(name: string, { routed }: CarriedPeer): boolean {
    const now = this.#joined.get(name);
    return now !== undefined && routed.every(prefix => now.routed.includes(prefix));
  }
}

/**
 * Could two peers whose subnets are apart want this object, each another one? Only FDB entries are named by something else
 * than the peer's subnet or an address in it: by the MAC that the peer publishes.
 */
export function isContestable({ type }: KernelObject): boolean {
  return type === 'fdb';
}
