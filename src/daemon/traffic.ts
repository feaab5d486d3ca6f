/** The traffic rules of the membership of the moment: what is wished, and by which engine. */
import { familiesOf } from '../backend/vtep.ts';
import type { Clock } from '../base/clock.ts';
import { WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Firewall } from '../firewall/firewall.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { sysctl } from '../sys/sysctl.ts';
import type { TrafficWish } from '../traffic/plan.ts';
import { judgeSettings, settingKeys } from '../traffic/surroundings.ts';
import type { Membership } from './membership.ts';
import type { DaemonOptions } from './options.ts';

export class TrafficRules {
  readonly #options: DaemonOptions;
  readonly #tools: { readonly log: Log; readonly clock: Clock };
  #membership: Membership;
  #firewall: Firewall;
  #peers: readonly Lease[] = [];

  private constructor(
    options: DaemonOptions,
    tools: { readonly log: Log; readonly clock: Clock },
    membership: Membership,
  ) {
    this.#options = options;
    this.#tools = tools;
    this.#membership = membership;
    this.#firewall = this.#openFirewall();
  }

  /** Changes nothing yet. */
  static open(
    options: DaemonOptions,
    tools: { readonly log: Log; readonly clock: Clock },
    membership: Membership,
  ): TrafficRules {
    return new TrafficRules(options, tools, membership);
  }

  /**
   * Lets exactly these peers in, and puts the rules in place. Never rejects: without rules a network can still work, so
   * what is wrong is told, and tried again.
   */
  async begin(peers: readonly Lease[]): Promise<void> {
    this.#peers = peers;
    await this.#firewall.replacePeers(peers);
    try {
      await this.#firewall.apply(this.#wish());
    } catch (error) {
      const remedy = error instanceof WeftError ? error.remedy : undefined;
      this.#tools.log.error(
        { error, remedy },
        'the traffic rules are not in place; the network goes on without them',
      );
    }
  }

  /** True when packets are accepted from peers alone. */
  get guarded(): boolean {
    return this.#wish().guard !== undefined;
  }

  /** Resolves when the guard lets the peer in, so that its routes may be made; never rejects. */
  async put(peer: Lease): Promise<void> {
    await this.#firewall.putPeer(peer);
  }

  async remove(subnet: Subnet): Promise<void> {
    await this.#firewall.removePeer(subnet);
  }

  /** Follows another plan; another engine takes the rules over, and takes the former's away. */
  async adopt(membership: Membership): Promise<void> {
    const engine = engineOf(this.#membership);
    this.#membership = membership;
    if (engineOf(membership) !== engine) {
      await this.#firewall.close();
      this.#firewall = this.#openFirewall();
    }
    await this.begin(this.#peers);
  }

  /** Tells which settings of the kernel stand in the way. */
  reportSettings(): void {
    const { host, backend } = this.#membership;
    const wish = {
      families: familiesOf(host.config),
      devices: backend.devices,
      external: host.external.name,
    };
    const values = new Map(settingKeys(wish).map(key => [key, sysctl.read(key)]));
    for (const { what, consequence, remedy } of judgeSettings(wish, values)) {
      this.#tools.log.info({ consequence, remedy }, what);
    }
  }

  /** The rules stay. */
  async close(): Promise<void> {
    await this.#firewall.close();
  }

  #openFirewall(): Firewall {
    return Firewall.open({
      ...this.#tools,
      engine: engineOf(this.#membership),
      resyncMs: this.#options.iptablesResyncSeconds * 1000,
      tunnel: family => this.#membership.backend.tunnelDevice(family, this.#membership.host.external),
    });
  }

  #wish(): TrafficWish {
    const { ipMasq, ipMasqFullyRandom, ipMasqExclude, iptablesForwardRules } = this.#options;
    const { backend, host } = this.#membership;
    // On where a peer more costs one set element, off where it costs a program (docs/adr/0012-guarded-vtep.md).
    const guarded = this.#options.vtepFilter ?? host.config.enableNftables;
    const guard = guarded && backend.udpPorts.length > 0;
    return {
      config: host.config,
      subnet: host.lease.subnet,
      ipMasq,
      fullyRandom: ipMasqFullyRandom,
      ipMasqExclude,
      forwardRules: iptablesForwardRules,
      guard: guard ? { ports: backend.udpPorts, devices: backend.devices } : undefined,
    };
  }
}

function engineOf({ host }: Membership): 'iptables' | 'nftables' {
  return host.config.enableNftables ? 'nftables' : 'iptables';
}
