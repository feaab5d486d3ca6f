/** The traffic rules of the membership of the moment, kept by a firewall while there are any. */
import { familiesOf } from '../backend/family.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Prefix } from '../base/prefix.ts';
import { cleanFirewalls } from '../firewall/clean.ts';
import { Firewall } from '../firewall/firewall.ts';
import { programsIn } from '../firewall/programs.ts';
import { tracesIn } from '../firewall/traces.ts';
import type { Membership } from '../host/membership.ts';
import { engineOf, ruleNamesOf, trafficWishOf } from '../host/traffic-wish.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { subnetId } from '../lease/subnet-id.ts';
import { inNetns } from '../sys/netns.ts';
import { sysctl } from '../sys/sysctl.ts';
import type { TrafficWish } from '../traffic/plan.ts';
import { judgeSettings, settingKeys } from '../traffic/surroundings.ts';
import type { DaemonOptions } from './options.ts';

export interface TrafficTools {
  readonly log: Log;
  readonly clock: Clock;
  /** Address spaces of other networks of this host to and from which nothing shall be forwarded. */
  apart?(): readonly Prefix[];
}

/** The rules in one network namespace of those that a network has to do with. */
export interface TrafficPart {
  /** Path of the namespace; undefined: the daemon's own. */
  readonly netns: string | undefined;
  /** What of the network's rules belongs there. */
  of(wish: TrafficWish): TrafficWish | undefined;
}

/** A firewall, and the path of its namespace; undefined: the daemon's own. */
export interface KeptFirewall {
  readonly netns: string | undefined;
  readonly firewall: Pick<Firewall, 'status' | 'guardReport'>;
}

const everything: TrafficPart = { netns: undefined, of: wish => wish };

export class TrafficRules {
  readonly #options: DaemonOptions;
  readonly #tools: TrafficTools;
  readonly #part: TrafficPart;
  readonly #ending = new AbortController();
  /** By {@link subnetId}; undefined until all have been told once, for until then nobody may be kept out. */
  #peers: Map<string, Lease> | undefined;
  #membership: Membership;
  #firewall: Firewall | undefined;
  /** A firewall that has been replaced ends before the next one writes. */
  #retiring: Promise<unknown> = Promise.resolve();
  #cleaned = false;

  private constructor(
    options: DaemonOptions,
    tools: TrafficTools,
    membership: Membership,
    part: TrafficPart,
  ) {
    this.#options = options;
    this.#tools = tools;
    this.#part = part;
    this.#membership = membership;
  }

  /** Changes nothing yet. */
  static open(
    options: DaemonOptions,
    tools: TrafficTools,
    membership: Membership,
    part: TrafficPart = everything,
  ): TrafficRules {
    return new TrafficRules(options, tools, membership, part);
  }

  /**
   * Lets exactly these peers in, and puts the rules in place. Never rejects: without rules a network can still work, so
   * what is wrong is told, and tried again.
   * @param after what comes before the rules
   */
  async begin(peers: readonly Lease[], after?: Promise<void>): Promise<void> {
    this.#peers = new Map(peers.map(peer => [subnetId(peer.subnet), peer]));
    await after;
    await this.#apply();
  }

  /** True when packets are accepted from peers alone. */
  get guarded(): boolean {
    return this.#wish()?.guard !== undefined;
  }

  /** The firewalls that keep the rules; none while there are no rules. */
  get firewalls(): readonly KeptFirewall[] {
    const { netns } = this.#part;
    return this.#firewall === undefined ? [] : [{ netns, firewall: this.#firewall }];
  }

  /** Resolves when the guard lets the peer in, so that its routes may be made; never rejects. */
  async put(peer: Lease): Promise<void> {
    this.#peers?.set(subnetId(peer.subnet), peer);
    if (this.guarded) await this.#firewall?.putPeer(peer);
  }

  async remove(subnet: Subnet): Promise<void> {
    this.#peers?.delete(subnetId(subnet));
    if (this.guarded) await this.#firewall?.removePeer(subnet);
  }

  /** Follows another plan; another engine takes the rules over, and takes the former's away. Never rejects. */
  async adopt(membership: Membership): Promise<void> {
    const before = engineOf(this.#membership);
    this.#membership = membership;
    if (engineOf(membership) !== before) this.#retire();
    if (this.#peers !== undefined) await this.#apply();
  }

  /** Tells which settings of the kernel stand in the way. */
  reportSettings(): void {
    const { host, backend } = this.#membership;
    const wish = {
      families: familiesOf(host.config),
      devices: backend.devices,
      external: host.external.name,
    };
    const { netns } = this.#part;
    const read = () => new Map(settingKeys(wish).map(key => [key, sysctl.read(key)]));
    const values = netns === undefined ? read() : inNetns(netns, read);
    for (const { what, consequence, remedy } of judgeSettings(wish, values)) {
      this.#tools.log.info({ consequence, remedy }, what);
    }
  }

  /** The rules stay. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#retire();
    await this.#retiring;
  }

  async #apply(): Promise<void> {
    const wish = this.#wish();
    if (this.#ending.signal.aborted) return;
    if (wish === undefined) return this.#goWithout();
    const firewall = this.#firewall ?? this.#tryOpen();
    if (firewall === undefined) return;
    this.#firewall = firewall;
    await this.#retiring;
    if (wish.guard !== undefined) await firewall.replacePeers(this.#peers?.values() ?? []);
    // Another plan may have come meanwhile: the last one to be applied has to be the one in force.
    if (this.#wish()?.guard === undefined && wish.guard !== undefined) return await this.#apply();
    // The firewall itself tells what is wrong.
    await firewall.apply(wish).catch(() => {});
  }

  #wish(): TrafficWish | undefined {
    const wish = trafficWishOf(this.#options, this.#membership, this.#tools.apart?.());
    return wish && this.#part.of(wish);
  }

  /** Once, and nobody waits for it: rules that an earlier run or config left are in nobody's way. */
  #goWithout(): void {
    this.#retire();
    const { log } = this.#tools;
    if (!this.#cleaned) {
      this.#retiring = this.#retiring
        .then(() => this.#clean())
        .catch(error => log.warn({ error }, 'firewall rules of ours may be left'));
    }
    this.#cleaned = true;
  }

  async #clean(): Promise<void> {
    const { signal } = this.#ending;
    const { log } = this.#tools;
    const { netns } = this.#part;
    const names = ruleNamesOf(this.#options);
    const traces = tracesIn(netns, names);
    const { removed, failures } = await cleanFirewalls(programsIn(netns), { signal }, traces, names);
    if (removed.length > 0) log.info({ removed }, 'took away firewall rules that are no longer wished');
    if (failures.length > 0 && !signal.aborted) log.warn({ failures }, 'firewall rules of ours may be left');
  }

  #retire(): void {
    const firewall = this.#firewall;
    this.#firewall = undefined;
    if (firewall !== undefined) this.#retiring = Promise.all([this.#retiring, firewall.close()]);
  }

  /** Undefined, and told, when the namespace is gone: then so is all that the rules are for. */
  #tryOpen(): Firewall | undefined {
    try {
      return this.#openFirewall();
    } catch (error) {
      this.#tools.log.error({ error }, 'the firewall rules are not in place');
      return undefined;
    }
  }

  #openFirewall(): Firewall {
    this.#cleaned = false;
    return Firewall.open({
      ...this.#tools,
      names: ruleNamesOf(this.#options),
      netns: this.#part.netns,
      engine: engineOf(this.#membership),
      resyncMs: this.#options.iptablesResyncSeconds * 1000,
      tunnel: family => this.#membership.backend.tunnelDevice(family, this.#membership.host.external),
    });
  }
}
