/** The udp backend's tunnel as a carrier: peers become its routes, and what the host changes opens it anew. */
import type { Backend, Carrier, Host } from '../backend/backend.ts';
import { publicIpOf } from '../backend/family.ts';
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Prefix, prefixBase, prefixFamily } from '../base/prefix.ts';
import type { CarriedPeer } from '../host/carried-peer.ts';
import type { Tunnel, TunnelCounters, TunnelRoute } from '../tunnel/tunnel.ts';
import type { CarrierChange, CarrierService } from './carrier.ts';

export interface TunnelCarrierOptions {
  readonly carrier: Extract<Carrier, { type: 'tunnel' }>;
  readonly backend: Backend;
  readonly host: Host;
  readonly log: Log;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Path of the namespace that the TUN is in; default: the process's own. */
  readonly netns?: string | undefined;
}

const retry = { firstMs: 100, maxMs: 10_000 } as const;

export class TunnelCarrier implements CarrierService {
  readonly #options: TunnelCarrierOptions;
  readonly #ending = new AbortController();
  readonly #routes = new Map<Prefix, TunnelRoute>();
  #host: Host;
  #tunnel: Tunnel | undefined;
  #problem: string | undefined = 'the tunnel is not open yet';
  /** One after the other: a port is free only when the tunnel before has gone. */
  #work: Promise<void>;

  constructor(options: TunnelCarrierOptions) {
    this.#options = options;
    this.#host = options.host;
    this.#work = this.#open();
  }

  get problem(): string | undefined {
    return this.#problem ?? this.#tunnel?.problem;
  }

  counters(): TunnelCounters | undefined {
    return this.#tunnel?.counters();
  }

  change({ joined, left }: CarrierChange): void {
    const unset = left.flatMap(({ routed }) => routed);
    for (const prefix of unset) this.#routes.delete(prefix);
    const set = joined.flatMap(routesTo);
    for (const route of set) this.#routes.set(route.dst, route);
    // What joins again is replaced, so that no packet finds it missing.
    const gone = unset.filter(prefix => !this.#routes.has(prefix));
    void this.#tunnel?.change({ set, unset: gone }).catch(error => this.#refused(error));
  }

  follow(host: Host): void {
    const before = this.#settings();
    this.#host = host;
    if (JSON.stringify(this.#settings()) === JSON.stringify(before)) return;
    this.#then(async () => {
      await this.#shut();
      await this.#open();
    });
  }

  deviceMade(name: string): void {
    if (name === this.#options.carrier.device) this.#tunnel?.attach();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#then(() => this.#shut());
    await this.#work;
  }

  #then(act: () => Promise<void>): void {
    this.#work = this.#work.then(act).catch(error => this.#refused(error));
  }

  /** Opens the tunnel, and tries until it is open: the address may not be there yet. */
  async #open(): Promise<void> {
    const { clock, log, random } = this.#options;
    const { signal } = this.#ending;
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        // Networks without a tunnel need not load it.
        const { Tunnel } = await import('../tunnel/tunnel.ts');
        const tunnel = await Tunnel.open({ ...this.#settings(), netns: this.#options.netns, log });
        // From now on what changes is told to it: nothing may fall between what it is told first and what comes meanwhile.
        this.#tunnel = tunnel;
        await tunnel.change({ set: [...this.#routes.values()], unset: [] });
        this.#problem = undefined;
        return;
      } catch (error) {
        const problem = describeError(error);
        const remedy = error instanceof WeftError ? error.remedy : undefined;
        if (problem !== this.#problem) log.error({ remedy }, `the tunnel cannot be opened: ${problem}`);
        this.#problem = problem;
      }
      await clock.sleep(backoffMs(retry, tries, random()), { signal }).catch(() => {});
    }
  }

  async #shut(): Promise<void> {
    const tunnel = this.#tunnel;
    this.#tunnel = undefined;
    await tunnel?.close();
  }

  #settings() {
    const { carrier, backend } = this.#options;
    const { external, lease } = this.#host;
    const { ipv4, ipv6 } = lease.subnet;
    return {
      device: carrier.device,
      port: carrier.port,
      mtuBytes: backend.containerMtuBytes(external),
      local: { ipv4: ipv4 && external.ipv4, ipv6: ipv6 && external.ipv6 },
      addresses: { ipv4: ipv4 && prefixBase(ipv4), ipv6: ipv6 && prefixBase(ipv6) },
    };
  }

  #refused(error: unknown): void {
    if (!this.#ending.signal.aborted) this.#options.log.error({ error }, 'the tunnel did not take a change');
  }
}

function routesTo({ lease, routed }: CarriedPeer): TunnelRoute[] {
  return routed.flatMap(dst => {
    const peer = publicIpOf(lease.attrs, prefixFamily(dst));
    return peer === undefined ? [] : [{ dst, peer }];
  });
}
