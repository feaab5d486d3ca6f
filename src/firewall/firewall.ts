/**
 * The traffic rules of one host, kept: written when something changes, looked at when somebody touches the firewall,
 * or each period where the kernel does not tell, and written again where they were undone.
 *
 *   apply, putPeer, removePeer ─┐
 *   nftables' notices ──(50 ms)─┼─> one at a time: engine.apply ─> obstacles ─> log
 *   the period ─────────────────┘
 */
import { setImmediate } from 'node:timers/promises';
import type { Family, IpAddress } from '../base/ip.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import type { NftSocket } from '../sys/nft-socket.ts';
import { emptyGuardReport, type GuardReport } from '../traffic/guard-report.ts';
import { flannelNames } from '../traffic/names.ts';
import type { Obstacle, OverlayPath } from '../traffic/obstacles.ts';
import { planTraffic, type TrafficWish, withoutFullyRandom } from '../traffic/plan.ts';
import type { Ruleset } from '../traffic/ruleset.ts';
import { openChangeMonitor } from './change-monitor.ts';
import { cleanOtherFirewalls } from './clean.ts';
import type { EngineOptions, FirewallChange, FirewallEngine, PeerSetChange } from './engine.ts';
import { IptablesEngine } from './iptables-engine.ts';
import { NftEngine } from './nft-engine.ts';
import { devicesIn, type FirewallOptions, type FirewallStatus } from './options.ts';
import { PeerBook } from './peer-book.ts';
import { type Programs, programsIn, refusesRandomPorts } from './programs.ts';
import { FirewallReporter } from './reporter.ts';
import { everywhere, type Traces, tracesIn } from './traces.ts';
import { FirewallWatch } from './watch.ts';

/** How often everything is looked at although the kernel tells of changes. */
const auditMs = 60_000;
/** A look at a large guard takes long: looks that nothing asks for take no more than this part of the time. */
const auditShare = 1 / 1000;
/** However long one took, as on a host that was busy with something else. */
const seldomMs = 900_000;

export class Firewall {
  readonly #options: FirewallOptions;
  readonly #programs: Programs;
  readonly #engine: FirewallEngine;
  readonly #socket: NftSocket | undefined;
  readonly #reporter: FirewallReporter;
  readonly #controller = new AbortController();
  readonly #book = new PeerBook();
  /** Addresses that came or went since the engine heard of them. */
  readonly #peersTouched = new Set<IpAddress>();
  #peersFlush: Promise<void> | undefined;
  #wish: TrafficWish | undefined;
  #withoutFullyRandom = false;
  #withoutVxlans = false;
  #problem = 'not applied yet';
  #repairs = 0;
  #obstacles: readonly Obstacle[] = [];
  #othersCleaned = false;
  #elsewhereTouched = true;
  /** Of somebody else, since the last look. */
  #lastChange: FirewallChange | undefined;
  #writing = false;
  /** What the kernel tells while peers are let in or out. */
  #duringPeers: FirewallChange[] | undefined;
  /** How long the last look took. */
  #lookMs = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #watch: FirewallWatch | undefined;

  private constructor(options: FirewallOptions) {
    const { engine, iptablesVariant, netns, log, names = flannelNames } = options;
    this.#options = options;
    this.#reporter = new FirewallReporter(log);
    this.#programs = options.programs ?? programsIn(netns);
    const onChange = (change: FirewallChange) => this.#onChange(change);
    this.#socket = openChangeMonitor({ engine, netns, names, log, onChange });
    this.#engine =
      engine === 'nftables'
        ? new NftEngine(this.#programs, this.#socket, log, names)
        : new IptablesEngine(this.#programs, iptablesVariant, () => this.#socket !== undefined, names);
  }

  /** Changes nothing yet. The caller closes it. @throws WeftError `netns-missing` */
  static open(options: FirewallOptions): Firewall {
    return new Firewall(options);
  }

  get status(): FirewallStatus {
    const [problem, obstacles, repairs] = [this.#problem, this.#obstacles, this.#repairs];
    return { engine: this.#options.engine, problem, obstacles, repairs };
  }

  /**
   * Puts the rules in place and keeps them there from now on; takes away what the other engine, or flannel, left. May
   * be called again with another wish. The guard waits for the first {@link replacePeers}, which is best called before.
   * @throws WeftError see {@link FirewallEngine.apply}; it is tried again each period all the same
   */
  async apply(wish: TrafficWish): Promise<void> {
    this.#wish = wish;
    try {
      await this.#enqueue(async () => this.#reporter.applied(await this.#applyWish()));
    } finally {
      this.#watch ??= this.#startWatch();
    }
  }

  /** Takes `leases` for all peers there are. Resolves when the guard lets them in; never rejects. */
  async replacePeers(leases: Iterable<Lease>): Promise<void> {
    await this.#changePeers(this.#book.replaceAll(leases));
  }

  /** Resolves when the guard lets the peer in, so its routes may be made then; never rejects. */
  async putPeer(lease: Lease): Promise<void> {
    await this.#changePeers(this.#book.put(lease));
  }

  async removePeer(subnet: Subnet): Promise<void> {
    await this.#changePeers(this.#book.remove(subnet));
  }

  /** What the guard has dropped. @throws WeftError see {@link FirewallEngine.apply} */
  async guardReport(): Promise<GuardReport> {
    if (this.#wish?.guard === undefined) return emptyGuardReport;
    return await this.#enqueue(options => this.#engine.guardReport(this.#ruleset(), options));
  }

  /** The rules stay. */
  async close(): Promise<void> {
    this.#controller.abort();
    await this.#watch?.ended;
    await this.#queue;
    this.#engine.close();
    this.#socket?.close();
  }

  #ruleset(): Ruleset {
    if (this.#wish === undefined) return { families: [] };
    const guard = this.#book.isKnown ? this.#wish.guard : undefined;
    const known = guard && this.#withoutVxlans ? { ...guard, vxlans: [] } : guard;
    const ruleset = planTraffic({ ...this.#wish, guard: known }, this.#book.peers());
    return this.#withoutFullyRandom ? withoutFullyRandom(ruleset) : ruleset;
  }

  /** One act at a time: the programs take the same locks. */
  #enqueue<T>(act: (options: EngineOptions) => Promise<T>): Promise<T> {
    const { signal } = this.#controller;
    const result = this.#queue.then(() => act({ signal }));
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Gives what was wrong. */
  async #applyWish(): Promise<string[]> {
    const { signal } = this.#controller;
    try {
      const drift = await this.#applyOrPlainer(signal);
      this.#problem = '';
      this.#reporter.inPlace();
      await this.#cleanOthers(signal);
      await this.#lookForObstacles(signal);
      return drift;
    } catch (error) {
      if (!signal.aborted) this.#problem = this.#reporter.failed(error);
      throw error;
    }
  }

  async #applyOrPlainer(signal: AbortSignal): Promise<string[]> {
    try {
      return await this.#write(() => this.#engine.apply(this.#ruleset(), { signal }));
    } catch (error) {
      if (!(error instanceof Error) || !this.#becomePlainer(error)) throw error;
      return await this.#applyOrPlainer(signal);
    }
  }

  /** True when what programs and kernels of this host do not know is done without from now on. */
  #becomePlainer(error: Error): boolean {
    const { log } = this.#options;
    if (refusesRandomPorts(error) && this.#wish?.fullyRandom && !this.#withoutFullyRandom) {
      // Without masquerading nothing would come back at all.
      this.#withoutFullyRandom = true;
      log.warn({ error }, 'random source ports are not known here: masquerading without them');
      return true;
    }
    if (/\bu32\b/.test(error.message) && !this.#withoutVxlans && this.#wish?.guard?.vxlans !== undefined) {
      this.#withoutVxlans = true;
      const remedy = 'modprobe xt_u32, or use nftables: "EnableNFTables": true in the network config';
      log.warn(
        { error, remedy },
        'iptables cannot tell networks at one port apart here: packets to the tunnel are not filtered',
      );
      return true;
    }
    return false;
  }

  /** The kernel tells of what we change ourselves too: that was nobody else. */
  async #write<T>(act: () => Promise<T>): Promise<T> {
    this.#socket?.drain();
    this.#writing = true;
    try {
      return await act();
    } finally {
      this.#socket?.drain();
      this.#writing = false;
    }
  }

  /** Only when ours are in place, so that there is no instant without any. */
  async #cleanOthers(signal: AbortSignal): Promise<void> {
    if (this.#othersCleaned) return;
    const { engine, iptablesVariant } = this.#options;
    const variant = iptablesVariant ?? this.#engine.variant;
    const chosen = { engine, variant };
    const { removed, failures } = await cleanOtherFirewalls(
      this.#programs,
      chosen,
      { signal },
      this.#traces(),
      this.#options.names,
    );
    this.#reporter.othersCleaned(removed, failures);
    this.#othersCleaned = true;
  }

  /** Programs that enter another namespace see another kernel's firewall than we do. */
  #traces(): Traces {
    const { programs, netns, names } = this.#options;
    return programs === undefined ? tracesIn(netns, names) : everywhere;
  }

  async #lookForObstacles(signal: AbortSignal): Promise<void> {
    const everywhere = this.#elsewhereTouched;
    this.#elsewhereTouched = false;
    const path = (family: Family) => this.#path(family);
    try {
      this.#obstacles = await this.#engine.obstacles(this.#ruleset(), { path, everywhere }, { signal });
      this.#reporter.obstacles(this.#obstacles);
    } catch (error) {
      // Ours are right, and what others have is a matter for the next look.
      this.#options.log.debug({ error }, 'the rules of others could not be read');
    }
  }

  #path(family: Family): OverlayPath {
    const { tunnel: tunnelOf, netns, containerDevices = devicesIn(netns) } = this.#options;
    const tunnel = tunnelOf(family);
    const subnet = family === 4 ? this.#wish?.subnet.ipv4 : this.#wish?.subnet.ipv6;
    return { tunnel, containerDevices: subnet === undefined ? [] : containerDevices(subnet, tunnel) };
  }

  async #changePeers({ added, removed }: PeerSetChange): Promise<void> {
    if (this.#wish?.guard === undefined || !this.#book.isKnown) return;
    for (const address of [...added, ...removed]) this.#peersTouched.add(address);
    if (this.#peersTouched.size === 0) return await this.#peersFlush;
    // All that one message of the registry tells goes in one piece, and so does what comes before the engine has time.
    this.#peersFlush ??= this.#enqueue(() => setImmediate().then(() => this.#flushPeers())).catch(() => {});
    await this.#peersFlush;
  }

  async #flushPeers(): Promise<void> {
    this.#peersFlush = undefined;
    const touched = [...this.#peersTouched];
    this.#peersTouched.clear();
    const change = {
      added: touched.filter(address => this.#book.has(address)),
      removed: touched.filter(address => !this.#book.has(address)),
    };
    const options = { signal: this.#controller.signal };
    const act = () => this.#engine.changePeers(change, () => this.#ruleset(), options);
    try {
      await this.#write(() => this.#heedOthers(act));
    } catch (error) {
      if (!this.#controller.signal.aborted) this.#problem = this.#reporter.failed(error);
    }
  }

  /**
   * The kernel tells of each transaction once, ours too: when it told of one, and one is ours, there is nothing to look at.
   * So a peer that leaves costs as little as one that comes.
   */
  async #heedOthers(act: () => Promise<boolean>): Promise<void> {
    const told: FirewallChange[] = [];
    this.#duringPeers = told;
    let isOneOurs = false;
    try {
      isOneOurs = await act();
    } finally {
      this.#duringPeers = undefined;
      if (!isOneOurs || told.length !== 1) for (const change of told) this.#onChange(change);
    }
  }

  #onChange(change: FirewallChange): void {
    if (this.#duringPeers !== undefined) return void this.#duringPeers.push(change);
    if (change.elsewhere) {
      this.#elsewhereTouched = true;
      this.#watch?.nudge();
    }
    if (!change.ours) return;
    if (!this.#writing) this.#lastChange = change;
    // Even while we write: somebody may have been quicker than our own look at what was written.
    this.#watch?.touch();
  }

  #startWatch(): FirewallWatch {
    const { clock, resyncMs } = this.#options;
    return new FirewallWatch({
      clock,
      signal: this.#controller.signal,
      periodMs: () => (this.#isQuiet() ? Math.max(auditMs, resyncMs, this.#auditInMs()) : resyncMs),
      look: occasion => this.#look(occasion),
      onHeldBack: delayMs => {
        if (this.#lastChange === undefined) return false;
        this.#reporter.heldBack(delayMs, this.#lastChange);
        return true;
      },
    });
  }

  #auditInMs(): number {
    return Math.min(this.#lookMs / auditShare, seldomMs);
  }

  /** Nothing can have happened that we were not told of, and nothing waits to be looked at. */
  #isQuiet(): boolean {
    return this.#engine.tellsChanges && this.#problem === '' && !this.#elsewhereTouched;
  }

  async #look(occasion: 'touched' | 'period'): Promise<boolean> {
    const wasInPlace = this.#problem === '';
    let startMs = this.#options.clock.monotonicMs();
    // Rules of others in iptables' legacy variant come and go untold.
    if (occasion === 'period' && this.#engine.tellsChanges) this.#elsewhereTouched = true;
    try {
      const drift = await this.#enqueue(() => {
        startMs = this.#options.clock.monotonicMs();
        return this.#applyWish();
      });
      if (occasion === 'period') await this.#lookForStrangers();
      if (drift.length === 0 || !wasInPlace) return false;
      this.#repairs++;
      this.#reporter.repaired(drift, this.#lastChange);
      return true;
    } catch {
      // Reported where it happened; the next period tries again.
      return false;
    } finally {
      this.#lastChange = undefined;
      this.#lookMs = this.#options.clock.monotonicMs() - startMs;
    }
  }

  async #lookForStrangers(): Promise<void> {
    if (this.#wish?.guard === undefined || this.#engine.name !== 'nftables') return;
    this.#reporter.strangers((await this.guardReport()).strangers);
  }
}
