/** Life in the network: the lease is kept, peers, underlay and config are followed, and the kernel follows them. */
import { addressOf, familiesOf, leasedFamilies, subnetOf } from '../backend/family.ts';
import type { Clock } from '../base/clock.ts';
import type { IpAddress } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import type { Prefix } from '../base/prefix.ts';
import type { LiveNetwork } from '../control/live-status.ts';
import type { ChosenInterface, UnderlayView } from '../host/external-interface.ts';
import { addressesOfEndpoints, guardedRegistry } from '../host/guarded.ts';
import { kernelDemand } from '../host/kernel-demand.ts';
import { readKernelFacts } from '../host/kernel-facts.ts';
import {
  backendsOf,
  devicesOf,
  isRefusal,
  locksOf,
  type Membership,
  overUnderlay,
  planHost,
  publishesOtherwise,
  underConfig,
  withoutUnused,
} from '../host/membership.ts';
import type { PeerChange } from '../host/peer-table.ts';
import { readUnderlay } from '../host/read-underlay.ts';
import type { ServedNetwork } from '../host/served-network.ts';
import { advertisedLinks } from '../host/underlay-addresses.ts';
import { underlayFrom } from '../host/underlay-from.ts';
import { links } from '../kernel/links.ts';
import { type KernelEvent, type KernelMonitor, monitor } from '../kernel/monitor.ts';
import { routes } from '../kernel/routes.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { ConfigEvent } from '../registry/config-watch.ts';
import type { LeaseKeeper } from '../registry/lease-keeper.ts';
import type { OwnLease } from '../registry/own-lease.ts';
import type { SubnetManager } from '../registry/subnet-manager.ts';
import { objectCommand } from '../state/describe.ts';
import { type KernelObject, keyOf, type LinkName, type ObjectKey } from '../state/kernel-object.ts';
import { Announcement } from './announcement.ts';
import { Carriers } from './carriers.ts';
import type { Readiness } from './health.ts';
import type { InstanceLocks } from './instance-lock.ts';
import { randomMac } from './join.ts';
import { LeaseStatus } from './lease-status.ts';
import { LimitsWatch } from './limits-watch.ts';
import { Instruments } from './metrics/instruments.ts';
import type { MeasuredNetwork } from './metrics/measured-network.ts';
import type { NetworkPlace } from './network-place.ts';
import { type NetworkTraffic, openTraffic } from './network-traffic.ts';
import { openCarrier } from './open-carrier.ts';
import type { DaemonOptions } from './options.ts';
import { PeerFollower } from './peer-follower.ts';
import { enableForwarding, refuseRouterAdvertisements } from './preflight.ts';
import { PeerProber } from './probing/peer-prober.ts';
import { Reconciler } from './reconciler.ts';
import { RegistryStatus } from './registry-status.ts';
import { RetiredPlans } from './retired-plans.ts';
import { UnderlayWatch } from './underlay-watch.ts';

export interface ServeTools {
  readonly place: NetworkPlace;
  readonly manager: SubnetManager;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
  readonly locks: InstanceLocks;
  /** Ends this service, so that another joins anew and takes over what is there, as after a restart. */
  rejoin(): void;
  /** Told when the membership is another: the host's address may be. */
  onMembership(): void;
  /** The other networks of this host; undefined: there is none. */
  readonly others?: OtherNetworks | undefined;
}

export interface OtherNetworks {
  /** Address spaces to and from which nothing shall be forwarded. */
  apart(): readonly Prefix[];
  /** Calls when that may have changed, until the signal aborts. */
  onChange(listener: () => void, signal: AbortSignal): void;
  /** Told what this network has in force here from now on. */
  hold(configs: readonly NetworkConfig[]): void;
}

/** How often it is asked whether a look is due that nothing asks for: peers may have come meanwhile, and it is put off. */
const auditCheckMs = 60_000;
/** How long a new carrier may take before the plan that needs it is followed all the same. */
const carrierPatienceMs = 2000;
const carrierCheckMs = 20;
/** How long a former backend stays after the last peer that used it has changed. */
const formerGraceMs = 5000;
/** After a change of config all hosts read the leases again: not all in the same instant. */
const rereadSpreadMs = 1000;

/** One host's membership in one network, from the lease to the signal. */
export class NetworkService {
  readonly #options: DaemonOptions;
  readonly #tools: ServeTools;
  readonly #own: OwnLease;
  readonly #traffic: NetworkTraffic;
  readonly #reconciler: Reconciler;
  readonly #peers: PeerFollower;
  readonly #carriers: Carriers;
  readonly #prober: PeerProber;
  readonly #underlay: UnderlayWatch;
  readonly #announcement: Announcement;
  readonly #lease: LeaseStatus;
  readonly #limits: LimitsWatch;
  readonly #registry: RegistryStatus;
  readonly #instruments = new Instruments();
  readonly #retired: RetiredPlans;
  #membership: Membership;
  #keeper: LeaseKeeper | undefined;
  #rewatch = new AbortController();
  #listening: readonly KernelMonitor[] = [];
  #dropping = false;
  /** One after the other. */
  #probing: Promise<void> = Promise.resolve();
  /** Resolved in the background: DNS may be down together with the underlay. */
  #registryAddresses: readonly IpAddress[] = [];

  constructor(options: DaemonOptions, tools: ServeTools, membership: Membership, own: OwnLease) {
    this.#options = options;
    this.#tools = tools;
    this.#membership = membership;
    this.#own = own;
    this.#lease = new LeaseStatus(own, tools);
    this.#registry = new RegistryStatus(tools.clock);
    this.#announcement = new Announcement(options, tools.log);
    const apart = () => tools.others?.apart() ?? [];
    this.#traffic = openTraffic(options, { ...tools, apart }, membership, tools.place.netns);
    this.#retired = new RetiredPlans({
      ...tools,
      reconciler: () => this.#reconciler,
      onGone: () => {
        tools.locks.hold(this.#heldLocks());
        this.#holdConfigs();
      },
    });
    this.#reconciler = this.#createReconciler();
    this.#carriers = new Carriers({
      log: tools.log,
      open: (carrier, member) => openCarrier(carrier, member, { ...tools, netns: tools.place.netns }),
    });
    this.#prober = new PeerProber({
      ...tools,
      intervalSeconds: options.peerProbeSeconds,
      membership: () => this.#membership,
      inside: act => tools.place.inside(act),
    });
    this.#peers = new PeerFollower({
      reconciler: this.#reconciler,
      traffic: this.#traffic,
      log: tools.log,
      membership: () => this.#membership,
      guarded: () => [...this.#membership.guarded, ...guardedRegistry(this.#registryAddresses)],
      onChange: change => this.#onPeers(change),
      onSnapshot: ruled => void this.#afterSnapshot(ruled),
    });
    this.#limits = new LimitsWatch({
      log: tools.log,
      demand: () => kernelDemand(this.#membership.host.external, this.#peers.leases),
      facts: readKernelFacts,
    });
    this.#underlay = new UnderlayWatch(
      {
        ...tools,
        choice: options,
        families: familiesOf(membership.host.config),
        read: () => readUnderlay(tools.place.underlay),
        onChange: (chosen, view) => this.#onUnderlay(chosen, view),
      },
      membership.chosen,
    );
  }

  /**
   * Ready: the lease is ours, all peers known at the start have been applied, and what all of them need works now. A peer
   * that cannot be reached is a matter of its own, and so is a registry that is away (docs/adr/0019-metrics.md).
   */
  readiness(): Readiness {
    const made = this.#announcement.made ? '' : 'the peers are not applied yet';
    const reason = made || this.#lease.problem || this.#announcement.problem || (this.#deviceProblem() ?? '');
    return { ready: reason === '', reason };
  }

  /** What only a running daemon knows, but for its troubles. */
  get live(): Omit<LiveNetwork, 'troubles'> {
    const { connected = true, staleSinceWallMs: staleSinceMs, reconnects } = this.#registry;
    const { problem, permanent, remainingMs } = this.#lease;
    const expiresMs = permanent ? undefined : Math.round(this.#tools.clock.wallMs() + remainingMs);
    return {
      registry: { connected, staleSinceMs, reconnects },
      lease: { held: problem === '', problem, expiresMs },
      repairs: {
        counts: Object.fromEntries(this.#reconciler.repaired),
        last: this.#reconciler.lastRepairs,
      },
      probes: this.#prober.facts,
    };
  }

  /** What other hosts may ask about, at this moment. */
  get served(): ServedNetwork {
    const { netns } = this.#tools.place;
    return { membership: this.#membership, leases: this.#peers.leases, netns };
  }

  /** What there is to be measured, at this moment. */
  get measured(): MeasuredNetwork {
    return {
      membership: this.#membership,
      devices: this.#devices(),
      socket: this.#tools.place.socket,
      renewMarginSeconds: this.#options.renewMarginMinutes * 60,
      peers: this.#peers.states,
      lease: this.#lease,
      registry: this.#registry,
      reconciler: this.#reconciler,
      instruments: this.#instruments,
      firewalls: this.#traffic.firewalls,
      tunnels: this.#carriers.tunnels,
      probes: this.#prober,
    };
  }

  /** Serves until the signal aborts. The data path stays as it is. */
  async run(renewMarginSeconds: number): Promise<void> {
    const { manager, signal } = this.#tools;
    await this.#enableForwarding();
    this.#traffic.reportSettings();
    this.#holdConfigs();
    this.#followOthers();
    const listening = this.#listen();
    this.#listening = listening;
    this.#carriers.follow(backendsOf(this.#membership));
    try {
      // The lease may have been waited for, and the underlay may have changed meanwhile.
      this.#underlay.check();
      this.#keeper = manager.keepLease(this.#own, {
        marginSeconds: renewMarginSeconds,
        signal,
        onEvent: event => this.#lease.take(event),
      });
      void this.#findRegistry();
      await Promise.all([this.#followLeases(), this.#followConfig(), this.#audit(), this.#keeper.ended]);
      await this.#reconciler.settled();
    } finally {
      this.#listening = [];
      for (const one of [...listening, this.#prober]) one.close();
      await Promise.all([this.#carriers.close(), this.#traffic.close()]);
    }
  }

  async #enableForwarding(): Promise<void> {
    const { log, place } = this.#tools;
    const { host } = this.#membership;
    const learnt = {
      links: await links.list(place.socket),
      routes: await routes.list(place.socket, { family: 6, protocol: 'ra' }),
    };
    const advertised = advertisedLinks(learnt, host.external.name);
    place.inside(() => enableForwarding(log, leasedFamilies(host), advertised));
  }

  /** Looks at everything again: the interface, and the kernel. The config is followed anyway. */
  reload(): void {
    this.#tools.log.info({}, 'SIGHUP: looking at the interface and the kernel again');
    this.#underlay.check();
    this.#resync();
  }

  #createReconciler(): Reconciler {
    const service = this;
    const { place, log } = this.#tools;
    return new Reconciler({
      ...this.#tools,
      instruments: this.#instruments,
      socket: place.socket,
      below: place.below,
      get devices() {
        return service.#devices();
      },
      get needs() {
        return [service.#membership.host.external.name];
      },
      get borrowed() {
        // In another namespace a device of that name is another device.
        return place.below === undefined ? borrowedBy(service.#membership) : [];
      },
      owns: object => this.#owns(object),
      onHold: hold => {
        for (const one of this.#listening) hold ? one.pause() : one.resume();
      },
      prepareDevice: name => {
        place.inside(() => refuseRouterAdvertisements(log, name));
        this.#carriers.deviceMade(name);
      },
    });
  }

  #devices(): LinkName[] {
    return [...devicesOf(this.#membership), ...this.#retired.devices];
  }

  #owns(object: KernelObject): boolean {
    const owns = ({ backend, host }: ReturnType<typeof backendsOf>[number]) => backend.owns(host, object);
    return backendsOf(this.#membership).some(owns) || this.#retired.owns(object);
  }

  /** Follows the leases as the membership of the moment sees them, and reads them all again when it sees otherwise. */
  async #followLeases(): Promise<void> {
    const { manager, clock, random, signal } = this.#tools;
    while (!signal.aborted) {
      this.#rewatch = new AbortController();
      const { config, lease: own } = this.#membership.host;
      const until = AbortSignal.any([signal, this.#rewatch.signal]);
      const known = this.#peers.leases;
      for await (const event of manager.watchLeases({ config, own, known, signal: until })) {
        if (until.aborted) continue;
        this.#registry.take(event);
        await this.#peers.take(event, clock.monotonicMs());
      }
      await clock.sleep(random() * rereadSpreadMs, { signal }).catch(() => {});
    }
  }

  async #followConfig(): Promise<void> {
    const { manager, signal } = this.#tools;
    for await (const event of manager.watchConfig({ signal })) this.#onConfig(event);
  }

  async #afterSnapshot(ruled: Promise<void>): Promise<void> {
    const { log, clock, signal } = this.#tools;
    const startMs = clock.monotonicMs();
    const tally = await this.#reconciler.settled();
    if (signal.aborted) return;
    const milliseconds = Math.round(clock.monotonicMs() - startMs);
    log.info({ ...tally, milliseconds }, `${this.#peers.count} peers applied`);
    await ruled;
    this.#announce();
  }

  #announce(): void {
    void this.#announcement.make(
      () => this.#membership,
      () => this.#deviceProblem(),
      this.#tools,
    );
  }

  /** Peers may fail one by one; without our own device nothing works. */
  #deviceProblem(): string | undefined {
    const { backend, host } = this.#membership;
    const own = backend.planHost(host);
    const failing = own.map(object => this.#reconciler.failing.get(keyOf(object)));
    const refused = failing.find(failure => failure !== undefined)?.error;
    const taken = own.find(object => this.#isTakenAway(keyOf(object)));
    const fight = taken && `something keeps undoing: ${objectCommand('add', taken)}`;
    return this.#reconciler.problem ?? fight ?? refused ?? this.#carriers.problem;
  }

  #isTakenAway(key: ObjectKey): boolean {
    return this.#reconciler.heldBack.has(key) && this.#reconciler.lacks(key);
  }

  #listen(): KernelMonitor[] {
    const { netns, socket } = this.#tools.place;
    const exceptBy = socket.port;
    if (netns === undefined) return [monitor({ exceptBy, onEvent: event => this.#onKernelEvent(event) })];
    return [
      monitor({ netns, exceptBy, onEvent: event => this.#reconciler.notice(event) }),
      monitor({ onEvent: event => this.#onUnderlayEvent(event) }),
    ];
  }

  #onKernelEvent(event: KernelEvent): void {
    this.#reconciler.notice(event);
    this.#underlay.notice(event);
  }

  /** Of an underlay in another namespace than our devices. */
  #onUnderlayEvent(event: KernelEvent): void {
    this.#reconciler.noticeBelow(event);
    this.#underlay.notice(event);
  }

  /** Follows the other networks of this host, as far as rules keep them away. */
  #followOthers(): void {
    const { others, signal } = this.#tools;
    let told = others?.apart().join();
    others?.onChange(() => {
      const now = others.apart().join();
      if (now === told) return;
      told = now;
      void this.#traffic.adopt(this.#membership);
    }, signal);
  }

  #holdConfigs(): void {
    const plans = [this.#membership, ...this.#retired.plans];
    const configs = plans.flatMap(plan => backendsOf(plan).map(({ host }) => host.config));
    this.#tools.others?.hold([...new Set(configs)]);
  }

  #onUnderlay(chosen: ChosenInterface, view: UnderlayView): void {
    const { publicIp } = chosen;
    const { name, mtuBytes } = chosen.external;
    const { log, place } = this.#tools;
    if (this.#hasComeUp(chosen)) {
      log.info({ interface: name }, 'a family that was missing here has an address: joining again with both');
      this.#tools.rejoin();
      return;
    }
    log.warn({ interface: name, publicIp, mtu: mtuBytes }, 'the underlay has changed: following it');
    const underlay = {
      chosen,
      ...underlayFrom(place.below !== undefined, chosen, view, this.#membership.host.config),
    };
    try {
      this.#adopt(overUnderlay(this.#membership, underlay, randomMac));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.error(
        { error, remedy: error.remedy },
        'the underlay cannot be followed: everything stays as it was',
      );
    }
  }

  /** Is there an address of a family of the network in which we have leased nothing, for want of one? */
  #hasComeUp({ external }: ChosenInterface): boolean {
    const { config, lease } = this.#membership.host;
    return familiesOf(config).some(
      family => addressOf(external, family) !== undefined && subnetOf(lease.subnet, family) === undefined,
    );
  }

  async #findRegistry(): Promise<void> {
    const addresses = await addressesOfEndpoints(this.#options.registryEndpoints);
    if (addresses.length === 0 || this.#tools.signal.aborted) return;
    this.#registryAddresses = addresses;
    this.#peers.rehost();
  }

  #onConfig(event: ConfigEvent): void {
    const { log, locks } = this.#tools;
    if (event.type === 'unusable') {
      log.error({ error: event.error, remedy: event.error.remedy }, 'the network config stays as it was');
      return;
    }
    const before = this.#membership;
    if (JSON.stringify(event.config) === JSON.stringify(before.host.config)) return;
    try {
      const { membership, warnings } = underConfig(before, event.config, randomMac);
      locks.hold([...new Set([...this.#heldLocks(), ...locksOf(membership)])]);
      const oddities = membership.backend.oddities?.(membership.host.external) ?? [];
      for (const warning of [...event.warnings, ...warnings, ...oddities]) log.warn({}, warning);
      log.info({}, 'the network config has changed: following it');
      this.#adopt(membership);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      log.error({ error, remedy: error.remedy }, 'the network config stays as it was');
    }
  }

  /**
   * Puts another plan in force: what the new one has, then, when that carries packets, the peers by it, then away with what
   * the old plan had and the new one has not.
   */
  #adopt(next: Membership): void {
    const before = this.#membership;
    const judgesOtherwise = before.host.config !== next.host.config || publishesOtherwise(before, next);
    this.#membership = next;
    this.#carriers.follow(backendsOf(next));
    this.#holdConfigs();
    // Before the first snapshot nothing has been planned: it will be, by the new membership.
    if (this.#reconciler.begun) this.#reconciler.set(planHost(next));
    const ruled = this.#traffic.adopt(next);
    if (this.#carriers.problem === undefined) this.#lead(before, ruled);
    else void this.#carried().then(() => this.#lead(before, ruled));
    if (judgesOtherwise) this.#rewatch.abort();
    this.#tools.onMembership();
  }

  /** Leads to the peers by the plan in force, and no more by the one before. */
  #lead(before: Membership, ruled: Promise<void>): void {
    if (this.#tools.signal.aborted) return;
    const now = this.#membership;
    const lacked = devicesOf(before).filter(device => !devicesOf(now).includes(device));
    if (lacked.length > 0) void this.#retired.add(lacked, before);
    if (this.#reconciler.begun) {
      const keys = new Set(planHost(now).map(keyOf));
      this.#peers.rehost();
      this.#reconciler.unset(
        planHost(before)
          .map(keyOf)
          .filter(key => !keys.has(key)),
      );
    }
    if (publishesOtherwise(before, now)) void this.#publish(ruled);
    if (this.#announcement.made) this.#announce();
  }

  /** Resolves when what carries packets in user space does; after a while all the same. */
  async #carried(): Promise<void> {
    const { clock, signal } = this.#tools;
    const untilMs = clock.monotonicMs() + carrierPatienceMs;
    while (this.#carriers.problem !== undefined && clock.monotonicMs() < untilMs && !signal.aborted) {
      await clock.sleep(carrierCheckMs, { signal }).catch(() => {});
    }
  }

  /** Tells the peers of what they can use, not before they can: they send by it at once. */
  async #publish(ruled: Promise<void>): Promise<void> {
    await Promise.all([ruled, this.#reconciler.settled()]);
    if (!this.#tools.signal.aborted) this.#keeper?.publish(this.#membership.host.lease.attrs);
  }

  #heldLocks(): string[] {
    return [...locksOf(this.#membership), ...this.#retired.devices];
  }

  #onPeers(change: PeerChange): void {
    this.#carriers.change(change);
    this.#probe(change);
    this.#limits.take(this.#peers.known);
    if (this.#membership.former.length > 0) void this.#dropUnused();
  }

  /** Not before the kernel leads to them: until then probes are lost, and preparing thousands would keep the kernel waiting. */
  #probe(change: PeerChange): void {
    this.#probing = this.#probing
      .then(() => this.#reconciler.atRest())
      .then(() => this.#prober.change(change))
      .catch(error => this.#tools.log.error({ error }, 'probing the peers failed'));
  }

  /** Lets a former backend go when no peer uses it, a while after: until then peers may not have heard of us. */
  async #dropUnused(): Promise<void> {
    const { clock, log, signal } = this.#tools;
    if (this.#dropping) return;
    this.#dropping = true;
    await clock.sleep(formerGraceMs, { signal }).catch(() => {});
    this.#dropping = false;
    if (signal.aborted) return;
    const before = this.#membership;
    const next = withoutUnused(before, this.#peers.leases);
    for (const { backend } of before.former) {
      if (next.former.some(one => one.backend === backend)) continue;
      log.info(
        { devices: backend.devices },
        `no peer uses ${backend.type} any more: what was made for it goes`,
      );
    }
    if (next !== before) this.#adopt(next);
  }

  /** Looks now and then, for what no event has told. */
  async #audit(): Promise<void> {
    const { clock, signal } = this.#tools;
    for (let lookedMs = clock.monotonicMs(); !signal.aborted; ) {
      await clock.sleep(auditCheckMs, { signal }).catch(() => {});
      if (signal.aborted) return;
      // At the check that is nearest to when it is due: timers come a little early.
      if (clock.monotonicMs() - lookedMs < this.#reconciler.auditInMs - auditCheckMs / 2) continue;
      lookedMs = clock.monotonicMs();
      this.#underlay.check();
      this.#resync();
    }
  }

  /** Not before the first snapshot of leases: until then everything of ours would look stale, and would be removed. */
  #resync(): void {
    if (this.#reconciler.begun) this.#reconciler.resync();
  }
}

function borrowedBy(membership: Membership): LinkName[] {
  return backendsOf(membership).flatMap(({ backend, host }) => backend.borrows(host.external));
}
