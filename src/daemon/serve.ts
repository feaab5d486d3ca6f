/** Life in the network: peers come and go, the lease is kept, the underlay and the config change, the kernel follows. */
import { familiesOf } from '../backend/vtep.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type KernelEvent, monitor } from '../kernel/monitor.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import type { ConfigEvent } from '../registry/config-watch.ts';
import type { KeepEvent, LeaseKeeper } from '../registry/lease-keeper.ts';
import type { OwnLease } from '../registry/own-lease.ts';
import type { SubnetManager } from '../registry/subnet-manager.ts';
import type { WatchedLease } from '../registry/subnet-watch.ts';
import { type KernelObject, keyOf, type LinkName, type ObjectKey } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { Announcement } from './announcement.ts';
import type { ChosenInterface, UnderlayView } from './external-interface.ts';
import { addressesOfEndpoints, guardedOf } from './guarded.ts';
import type { Readiness } from './health.ts';
import type { InstanceLocks } from './instance-lock.ts';
import { randomMac, readUnderlay } from './join.ts';
import { isRefusal, type Membership, overUnderlay, publishesOtherwise, underConfig } from './membership.ts';
import type { DaemonOptions } from './options.ts';
import { type PeerChange, PeerTable } from './peer-table.ts';
import { enableForwarding, refuseRouterAdvertisements } from './preflight.ts';
import { Reconciler } from './reconciler.ts';
import { TrafficRules } from './traffic.ts';
import { UnderlayWatch } from './underlay-watch.ts';

export interface ServeTools {
  readonly socket: NetlinkSocket;
  readonly manager: SubnetManager;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
  readonly locks: InstanceLocks;
}

/** How often the kernel is compared with the plan although nothing happened. */
const auditMs = 60_000;

/** One host's membership in one network, from the lease to the signal. */
export class NetworkService {
  readonly #options: DaemonOptions;
  readonly #tools: ServeTools;
  readonly #reconciler: Reconciler;
  readonly #peers: PeerTable;
  readonly #underlay: UnderlayWatch;
  readonly #announcement: Announcement;
  readonly #traffic: TrafficRules;
  /** Peers that the guard is about to let in, by registry key. */
  readonly #admitting = new Map<string, Lease>();
  readonly #own: OwnLease;
  /** Devices of a plan that is no longer in force: what is ours on them still has to go. */
  readonly #retired: Array<{ readonly devices: readonly LinkName[]; owns(object: KernelObject): boolean }> =
    [];
  #membership: Membership;
  #keeper: LeaseKeeper | undefined;
  #rewatch = new AbortController();
  #leaseExpiresAtMs: number;
  #leaseProblem = '';
  #announcing: Promise<void> | undefined;

  constructor(options: DaemonOptions, tools: ServeTools, membership: Membership, own: OwnLease) {
    this.#options = options;
    this.#tools = tools;
    this.#membership = membership;
    this.#own = own;
    this.#peers = new PeerTable(membership.backend, membership.host, membership.guarded);
    this.#leaseExpiresAtMs = own.expiresAtMonotonicMs ?? Number.POSITIVE_INFINITY;
    this.#announcement = new Announcement(options, tools.log);
    this.#traffic = TrafficRules.open(options, tools, membership);
    this.#reconciler = this.#createReconciler();
    this.#underlay = new UnderlayWatch(
      {
        ...tools,
        choice: options,
        families: familiesOf(membership.host.config),
        read: () => readUnderlay(tools.socket),
        onChange: (chosen, view) => void this.#onUnderlay(chosen, view),
      },
      membership.chosen,
    );
  }

  /** Ready: the lease is valid, and all peers known at the start have been applied. */
  readiness(): Readiness {
    if (!this.#announcement.made) return { ready: false, reason: 'the peers are not applied yet' };
    if (this.#leaseProblem !== '') return { ready: false, reason: this.#leaseProblem };
    const valid = this.#tools.clock.monotonicMs() < this.#leaseExpiresAtMs;
    return valid ? { ready: true, reason: '' } : { ready: false, reason: 'the subnet lease has expired' };
  }

  /** Serves until the signal aborts. The data path stays as it is. */
  async run(renewMarginSeconds: number): Promise<void> {
    const { manager, log, signal } = this.#tools;
    enableForwarding(log);
    this.#traffic.reportSettings();
    const listening = monitor({ onEvent: event => this.#onKernelEvent(event) });
    this.#keeper = manager.keepLease(this.#own, {
      marginSeconds: renewMarginSeconds,
      signal,
      onEvent: event => this.#onKeepEvent(event),
    });
    try {
      await Promise.all([this.#followLeases(), this.#followConfig(), this.#audit(), this.#keeper.ended]);
      await Promise.all([this.#announcing, this.#reconciler.settled()]);
    } finally {
      listening.close();
      await this.#traffic.close();
    }
  }

  /** Looks at everything again: the interface, and the kernel. The config is followed anyway. */
  reload(): void {
    this.#tools.log.info({}, 'SIGHUP: looking at the interface and the kernel again');
    this.#underlay.check();
    this.#resync();
  }

  #createReconciler(): Reconciler {
    const service = this;
    return new Reconciler({
      ...this.#tools,
      get devices() {
        const retired = service.#retired.flatMap(({ devices }) => devices);
        return [...new Set([...service.#membership.backend.devices, ...retired])];
      },
      get needs() {
        return [service.#membership.host.external.name];
      },
      owns: object => {
        const { backend, host } = this.#membership;
        return backend.owns(host, object) || this.#retired.some(retired => retired.owns(object));
      },
      prepareDevice: name => refuseRouterAdvertisements(this.#tools.log, name),
    });
  }

  /** Follows the leases as the membership of the moment sees them, from a snapshot on each time it changes. */
  async #followLeases(): Promise<void> {
    const { manager, signal } = this.#tools;
    while (!signal.aborted) {
      this.#rewatch = new AbortController();
      const { config, lease: own } = this.#membership.host;
      const until = AbortSignal.any([signal, this.#rewatch.signal]);
      for await (const event of manager.watchLeases({ config, own, signal: until })) {
        if (!until.aborted) await this.#onLeaseEvent(event);
      }
    }
  }

  async #followConfig(): Promise<void> {
    const { manager, signal } = this.#tools;
    for await (const event of manager.watchConfig({ signal })) this.#onConfig(event);
  }

  async #onLeaseEvent(event: WatchedLease): Promise<void> {
    const { log } = this.#tools;
    switch (event.type) {
      case 'snapshot':
        this.#admitting.clear();
        return await this.#takeSnapshot(event.leases);
      case 'put':
        return void this.#admit(event.lease);
      case 'removed':
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

  /** The guard first: a peer's routes are of no use before its packets are let in. */
  async #admit(lease: Lease): Promise<void> {
    const key = formatSubnetKey(lease.subnet);
    this.#admitting.set(key, lease);
    await this.#traffic.put(lease);
    if (this.#admitting.get(key) !== lease) return;
    this.#admitting.delete(key);
    const change = this.#peers.put(lease);
    this.#take(change);
    if (change.set.length === 0 && change.unset.length === 0) return;
    const host = lease.attrs.publicIp ?? lease.attrs.publicIpv6;
    this.#tools.log.info({ host }, `peer ${describeSubnet(lease.subnet)}`);
  }

  #withdraw(subnet: Subnet): void {
    this.#admitting.delete(formatSubnetKey(subnet));
    this.#take(this.#peers.remove(subnet));
    void this.#traffic.remove(subnet);
  }

  #take({ set, unset, refused }: PeerChange): void {
    for (const { lease, reason } of refused) {
      this.#tools.log.warn({}, `lease ${describeSubnet(lease.subnet)} is left out: it ${reason}`);
    }
    this.#reconciler.unset(unset);
    this.#reconciler.set(set);
  }

  async #takeSnapshot(leases: readonly Lease[]): Promise<void> {
    const { log, clock } = this.#tools;
    this.#admitting.clear();
    const startMs = clock.monotonicMs();
    const ruled = this.#traffic.begin(leases);
    // With a guard, peers are let in before their routes are made; without, rules and routes are made side by side.
    if (this.#traffic.guarded) await ruled;
    // Host and peers at once: what an earlier run left would else look stale until the peers are known.
    this.#reconciler.set(this.#membership.backend.planHost(this.#membership.host));
    this.#take(this.#peers.replaceAll(leases));
    const tally = await this.#reconciler.settled();
    await ruled;
    const milliseconds = Math.round(clock.monotonicMs() - startMs);
    log.info({ ...tally, milliseconds }, `${this.#peers.size} peers applied`);
    const problem = () => this.#deviceProblem();
    this.#announcing ??= this.#announcement.make(() => this.#membership, problem, this.#tools);
  }

  /** Peers may fail one by one; without our own device nothing works. */
  #deviceProblem(): string | undefined {
    const { backend, host } = this.#membership;
    const failing = backend.planHost(host).map(object => this.#reconciler.failing.get(keyOf(object)));
    return failing.find(failure => failure !== undefined)?.error;
  }

  #onKernelEvent(event: KernelEvent): void {
    this.#reconciler.notice(event);
    this.#underlay.notice(event);
  }

  async #onUnderlay(chosen: ChosenInterface, view: UnderlayView): Promise<void> {
    const { external, publicIp } = chosen;
    const { name, mtuBytes } = external;
    this.#tools.log.warn(
      { interface: name, publicIp, mtu: mtuBytes },
      'the underlay has changed: following it',
    );
    const guarded = guardedOf(view, name, await addressesOfEndpoints(this.#options.registryEndpoints));
    this.#adopt(overUnderlay(this.#membership, { chosen, guarded }, randomMac));
  }

  #onConfig(event: ConfigEvent): void {
    const { log } = this.#tools;
    if (event.type === 'unusable') {
      log.error({ error: event.error, remedy: event.error.remedy }, 'the network config stays as it was');
      return;
    }
    if (JSON.stringify(event.config) === JSON.stringify(this.#membership.host.config)) return;
    try {
      const { membership, warnings } = underConfig(this.#membership, event.config, randomMac);
      this.#tools.locks.hold(membership.backend.devices);
      for (const warning of [...event.warnings, ...warnings]) log.warn({}, warning);
      log.info({}, 'the network config has changed: following it');
      this.#adopt(membership);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.error({ error, remedy: error.remedy }, 'the network config stays as it was');
    }
  }

  /** Puts another plan in force: new things first, then what the old plan had and the new one has not. */
  #adopt(next: Membership): void {
    const before = this.#membership;
    const obsolete = before.backend.planHost(before.host).map(keyOf);
    this.#retired.push({
      devices: before.backend.devices,
      owns: object => before.backend.owns(before.host, object),
    });
    this.#membership = next;
    // Before the first snapshot nothing has been planned: it will be, by the new membership.
    if (this.#reconciler.desired.size > 0) this.#replan(next, obsolete);
    if (publishesOtherwise(before, next)) this.#keeper?.publish(next.host.lease.attrs);
    void this.#traffic.adopt(next);
    if (this.#announcement.made) this.#announcement.write(next);
    this.#rewatch.abort();
  }

  #replan(next: Membership, obsolete: readonly ObjectKey[]): void {
    const wanted = next.backend.planHost(next.host);
    const keys = new Set(wanted.map(keyOf));
    this.#reconciler.set(wanted);
    this.#take(this.#peers.rehost(next.backend, next.host, next.guarded));
    this.#reconciler.unset(obsolete.filter(key => !keys.has(key)));
  }

  #onKeepEvent(event: KeepEvent): void {
    const { log } = this.#tools;
    if (event.type === 'renewed') {
      this.#leaseExpiresAtMs = event.own.expiresAtMonotonicMs ?? Number.POSITIVE_INFINITY;
      this.#leaseProblem = '';
      log.info({ why: event.why }, `renewed the lease of ${describeSubnet(event.own.lease.subnet)}`);
      return;
    }
    const { error, retryInMs } = event;
    if (event.type === 'failed') {
      log.warn({ error, retryInMs }, 'the lease could not be renewed, trying again');
      return;
    }
    this.#leaseProblem = describeError(error);
    log.error(
      { error, remedy: event.error.remedy, retryInMs },
      'LOST THE SUBNET: containers stay as they are',
    );
  }

  /** Compares the kernel with the plan now and then, for what no event has told. */
  async #audit(): Promise<void> {
    const { clock, signal } = this.#tools;
    while (!signal.aborted) {
      await clock.sleep(auditMs, { signal }).catch(() => {});
      if (!signal.aborted) this.#resync();
    }
  }

  /** Not before the first snapshot of leases: until then everything of ours would look stale, and would be removed. */
  #resync(): void {
    if (this.#reconciler.desired.size > 0) this.#reconciler.resync();
  }
}
