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
  /** Registry keys of leases that must not be followed. */
  readonly #refused = new Set<string>();

  constructor(options: PeerFollowerOptions) {
    this.#options = options;
    this.#peers = new PeerTable(options.membership(), options.guarded());
  }

  /** Number of peers in use. */
  get count(): number {
    return this.#peers.size;
  }

  /** Number of peers known, in use or not. */
  get known(): number {
    return this.#peers.known;
  }

  /** All that lease a subnet but us: whom we lead to, in one of two families only, or not at all. */
  get states(): { readonly used: number; readonly partly: number; readonly refused: number } {
    const [inUse, known] = [this.#peers.size, this.#peers.leases.length];
    const partly = this.#peers.refusals.length - (known - inUse);
    return { used: inUse - partly, partly, refused: known - inUse + this.#refused.size };
  }

  /** What is known of the peers, in use or not. */
  get leases(): readonly Lease[] {
    return this.#peers.leases;
  }

  /** @param sinceMs when the event arrived, by the monotonic clock */
  async take(event: WatchedLease, sinceMs: number): Promise<void> {
    const { log } = this.#options;
    switch (event.type) {
      case 'snapshot':
        return await this.#takeSnapshot(event.leases, sinceMs);
      case 'put':
        return void this.#admit(event.lease, sinceMs);
      case 'removed':
        if (event.replacedBy !== undefined) return void this.#admit(event.replacedBy, sinceMs, event.subnet);
        return this.#takeRemoved(event.subnet, sinceMs);
      case 'refused':
        this.#withdraw(event.lease.subnet, sinceMs);
        return void this.#refused.add(formatSubnetKey(event.lease.subnet));
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

  #takeRemoved(subnet: Subnet, sinceMs: number): void {
    const { log } = this.#options;
    const refused = this.#refused.has(formatSubnetKey(subnet));
    this.#withdraw(subnet, sinceMs);
    if (refused) log.info({}, `the refused lease of ${describeSubnet(subnet)} is gone`);
    else log.info({}, `peer ${describeSubnet(subnet)} left`);
  }

  async #takeSnapshot(leases: readonly Lease[], sinceMs: number): Promise<void> {
    const { reconciler, traffic, membership, onSnapshot } = this.#options;
    this.#admitting.clear();
    this.#refused.clear();
    // With a guard, peers are let in before their routes are made; without, nobody waits for the rules.
    const { guarded } = traffic;
    if (guarded) await traffic.begin(leases);
    // Host and peers at once: what an earlier run left would else look stale until the peers are known.
    reconciler.set(planHost(membership()));
    this.#wish(this.#peers.replaceAll(leases), sinceMs);
    onSnapshot(guarded ? Promise.resolve() : traffic.begin(leases, reconciler.atRest()));
  }

  /**
   * The guard first: a peer's routes are of no use before its packets are let in.
   * @param replaces what the same host gave up for this lease: it goes in the same change, so that nothing is interrupted
   */
  async #admit(lease: Lease, sinceMs: number, replaces?: Subnet): Promise<void> {
    const { traffic, log } = this.#options;
    const key = formatSubnetKey(lease.subnet);
    this.#refused.delete(key);
    this.#admitting.set(key, lease);
    if (replaces !== undefined) this.#admitting.delete(formatSubnetKey(replaces));
    await traffic.put(lease);
    if (this.#admitting.get(key) !== lease) return replaces && this.#withdraw(replaces, sinceMs);
    this.#admitting.delete(key);
    const change = this.#peers.put(lease, replaces);
    this.#wish(change, sinceMs);
    if (replaces !== undefined) void traffic.remove(replaces);
    if (change.joined.length === 0) return;
    const host = lease.attrs.publicIp ?? lease.attrs.publicIpv6;
    log.info({ host }, `peer ${describeSubnet(lease.subnet)}`);
  }

  #withdraw(subnet: Subnet, sinceMs: number): void {
    const key = formatSubnetKey(subnet);
    this.#admitting.delete(key);
    this.#refused.delete(key);
    this.#wish(this.#peers.remove(subnet), sinceMs);
    void this.#options.traffic.remove(subnet);
  }

  #wish(change: PeerChange, sinceMs?: number): void {
    const { reconciler, log, onChange } = this.#options;
    const { set, unset, refused } = change;
    for (const { lease, reason, partly } of refused) {
      log.warn(
        {},
        `lease ${describeSubnet(lease.subnet)} is left out${partly ? ' in part' : ''}: it ${reason}`,
      );
    }
    // One event is one wish: what is set speaks for what goes with it.
    if (unset.length > 0) reconciler.unset(unset, set.size > 0 ? undefined : sinceMs);
    if (set.size > 0) reconciler.want(set, sinceMs);
    onChange(change);
  }
}
