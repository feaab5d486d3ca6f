/**
 * Peers come and go: each lease event becomes wishes of the reconciler, and a place in the guard.
 *
 *     snapshot ─> guard, rules ─┬─> peers' objects ─> reconciler
 *     put ──────> guard ────────┘
 *     removed ──> peers' objects ─> reconciler, guard
 */
import type { Log } from '../base/log.ts';
import { type Membership, planHost } from '../host/membership.ts';
import { type Guarded, type PeerChange, PeerTable } from '../host/peer-table.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import type { WatchedLease } from '../registry/subnet-watch.ts';
import type { NetworkTraffic } from './network-traffic.ts';
import type { Reconciler } from './reconciler.ts';

export interface PeerFollowerOptions {
  readonly reconciler: Reconciler;
  readonly traffic: NetworkTraffic;
  readonly log: Log;
  membership(): Membership;
  guarded(): readonly Guarded[];
  /** Peers came, went or changed. */
  onChange(change: PeerChange): void;
  /** A snapshot has been wished; `ruled` resolves when the traffic rules are in place. */
  onSnapshot(ruled: Promise<void>): void;
}

export class PeerFollower {
  readonly #options: PeerFollowerOptions;
  readonly #peers: PeerTable;
  /** Peers that the guard is about to let in, by registry key. */
  readonly #admitting = new Map<string, Lease>();

  constructor(options: PeerFollowerOptions) {
    this.#options = options;
    this.#peers = new PeerTable(options.membership(), options.guarded());
  }

  /** Number of peers in use. */
  get count(): number {
    return this.#peers.size;
  }

  /** What is known of the peers, in use or not. */
  get leases(): readonly Lease[] {
    return this.#peers.leases;
  }

  async take(event: WatchedLease): Promise<void> {
    const { log } = this.#options;
    switch (event.type) {
      case 'snapshot':
        return await this.#takeSnapshot(event.leases);
      case 'put':
        return void this.#admit(event.lease);
      case 'removed':
        if (event.replacedBy !== undefined) return void this.#admit(event.replacedBy, event.subnet);
        this.#withdraw(event.subnet);
        return log.info({}, `peer ${describeSubnet(event.subnet)} left`);
      case 'refused':
        return this.#withdraw(event.lease.subnet);
      case 'state':
        if (event.connected) return log.info({}, 'the registry is there again');
        return log.warn({ cause: event.cause }, 'the registry is out of reach: the network stays as it is');
      case 'own':
        return;
    }
  }

  /** Plans all peers again, for a membership that has changed. */
  rehost(): void {
    const { membership, guarded } = this.#options;
    this.#wish(this.#peers.rehost(membership(), guarded()));
  }

  async #takeSnapshot(leases: readonly Lease[]): Promise<void> {
    const { reconciler, traffic, membership, onSnapshot } = this.#options;
    this.#admitting.clear();
    const ruled = traffic.begin(leases);
    // With a guard, peers are let in before their routes are made; without, rules and routes are made side by side.
    if (traffic.guarded) await ruled;
    // Host and peers at once: what an earlier run left would else look stale until the peers are known.
    reconciler.set(planHost(membership()));
    this.#wish(this.#peers.replaceAll(leases));
    onSnapshot(ruled);
  }

  /**
   * The guard first: a peer's routes are of no use before its packets are let in.
   * @param replaces what the same host gave up for this lease: it goes in the same change, so that nothing is interrupted
   */
  async #admit(lease: Lease, replaces?: Subnet): Promise<void> {
    const { traffic, log } = this.#options;
    const key = formatSubnetKey(lease.subnet);
    this.#admitting.set(key, lease);
    if (replaces !== undefined) this.#admitting.delete(formatSubnetKey(replaces));
    await traffic.put(lease);
    if (this.#admitting.get(key) !== lease) return replaces && this.#withdraw(replaces);
    this.#admitting.delete(key);
    const change = this.#peers.put(lease, replaces);
    this.#wish(change);
    if (replaces !== undefined) void traffic.remove(replaces);
    if (change.joined.length === 0) return;
    const host = lease.attrs.publicIp ?? lease.attrs.publicIpv6;
    log.info({ host }, `peer ${describeSubnet(lease.subnet)}`);
  }

  #withdraw(subnet: Subnet): void {
    this.#admitting.delete(formatSubnetKey(subnet));
    this.#wish(this.#peers.remove(subnet));
    void this.#options.traffic.remove(subnet);
  }

  #wish(change: PeerChange): void {
    const { reconciler, log, onChange } = this.#options;
    const { set, unset, refused } = change;
    for (const { lease, reason, partly } of refused) {
      log.warn(
        {},
        `lease ${describeSubnet(lease.subnet)} is left out${partly ? ' in part' : ''}: it ${reason}`,
      );
    }
    if (unset.length > 0) reconciler.unset(unset);
    if (set.length > 0) reconciler.set(set);
    onChange(change);
  }
}
