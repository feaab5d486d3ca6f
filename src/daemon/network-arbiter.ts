/**
 * Follows the configs of all networks of this host, and says of each whether it may be:
 *
 *     red/config ──┐             ┌─> red:  this config
 *     blue/config ─┼─> arbitrate ┼─> blue: refused, its VNI is that of red
 *     in force ────┘             └─> ...
 */
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Prefix } from '../base/prefix.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { ConfigEvent } from '../registry/config-watch.ts';
import type { Registry, RegistryEntry } from '../registry/registry.ts';
import { configKey } from '../registry/subnet-manager.ts';
import { arbitrate, type Holding } from './arbitration.ts';
import { claimsOf } from './network-claims.ts';
import { type ArbitratedNetwork, judgeAlone, refusalError, verdictText } from './network-verdict.ts';

export interface ArbiterOptions {
  readonly networks: readonly ArbitratedNetwork[];
  /** Pairs of networks that may send each other packets. */
  readonly allowed: ReadonlyArray<readonly [string, string]>;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Uniform in [0, 1). */
  random(): number;
}

const retry = { firstMs: 100, maxMs: 10_000 } as const;

export class NetworkArbiter {
  readonly #options: ArbiterOptions;
  readonly #verdicts = new Map<string, ConfigEvent>();
  /** By network, what its config was when it was last given, and what it still has in force. */
  readonly #granted = new Map<string, NetworkConfig>();
  readonly #inForce = new Map<string, readonly NetworkConfig[]>();
  readonly #listeners = new Set<() => void>();
  #dirty = false;
  #judging: Promise<void> | undefined;
  #problem: Error | undefined;

  constructor(options: ArbiterOptions) {
    this.#options = options;
  }

  /** Follows the configs until the signal aborts. */
  async run(): Promise<void> {
    await Promise.all(this.#options.networks.map(({ registry }) => this.#watch(registry)));
    await this.#judging;
  }

  /** The verdict on a network as it is and as it changes, until the signal aborts. */
  async *follow(name: string, signal: AbortSignal): AsyncGenerator<ConfigEvent, void, void> {
    for (let told: ConfigEvent | undefined; !signal.aborted; ) {
      const verdict = this.#verdicts.get(name);
      if (verdict !== undefined && verdict !== told) {
        told = verdict;
        yield verdict;
      } else await this.#next(signal);
    }
  }

  /**
   * The config of a network that may be.
   * @throws WeftError `network-refused`, `config-missing`, `config-invalid` and the like; what the registry says as long
   * as it could not be read once
   */
  async getConfig(name: string, signal: AbortSignal): Promise<Extract<ConfigEvent, { type: 'config' }>> {
    while (!this.#verdicts.has(name)) {
      if (this.#problem !== undefined) throw this.#problem;
      await this.#next(signal);
      signal.throwIfAborted();
    }
    const verdict = this.#verdicts.get(name);
    if (verdict?.type === 'config') return verdict;
    throw verdict?.error ?? new WeftError('config-missing', `there is no config of the network ${name}`);
  }

  /** Why a network may not be, as far as that is known; undefined when it may. */
  refusalOf(name: string): WeftError | undefined {
    const verdict = this.#verdicts.get(name);
    return verdict?.type === 'unusable' ? verdict.error : undefined;
  }

  /** What a network has in force on this host from now on: its config, and those whose devices are still there. */
  hold(name: string, configs: readonly NetworkConfig[]): void {
    this.#inForce.set(name, configs);
    this.#soil();
  }

  /** The address spaces of the same namespace that a network is kept apart from. */
  apartFrom(name: string): Prefix[] {
    const { networks, allowed } = this.#options;
    const netns = networks.find(network => network.name === name)?.netns;
    const isAllowed = (other: string) =>
      allowed.some(pair => pair.includes(name) && pair.includes(other) && name !== other);
    const prefixes = this.#holdings()
      .filter(other => other.name !== name && other.claims.netns === netns && !isAllowed(other.name))
      .flatMap(other => other.claims.prefixes);
    return [...new Set(prefixes)].sort();
  }

  /** Calls `listener` after each change, until the signal aborts. */
  onChange(listener: () => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true });
  }

  async #watch(registry: Registry): Promise<void> {
    for await (const event of registry.watch(configKey, { signal: this.#options.signal })) {
      if (event.type !== 'state') this.#soil();
    }
  }

  #soil(): void {
    this.#dirty = true;
    this.#judging ??= this.#judge().finally(() => {
      this.#judging = undefined;
    });
  }

  async #judge(): Promise<void> {
    const { clock, signal, random, log } = this.#options;
    for (let failures = 0; this.#dirty && !signal.aborted; ) {
      this.#dirty = false;
      try {
        this.#take(await this.#read());
        this.#problem = undefined;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#dirty = true;
        this.#problem = error as Error;
        log.debug({ error }, 'the configs of the networks could not be read, trying again');
        await clock.sleep(backoffMs(retry, failures++, random()), { signal }).catch(() => {});
      }
      for (const listener of this.#listeners) listener();
    }
  }

  /**
   * All configs as they were at one moment, whatever their number: read until twice the same is read. A verdict on
   * configs that were never there together could give one network what another has.
   */
  async #read(): Promise<ReadonlyArray<RegistryEntry | undefined>> {
    const { networks, signal } = this.#options;
    const all = () => Promise.all(networks.map(({ registry }) => registry.get(configKey, { signal })));
    const revisions = (entries: ReadonlyArray<RegistryEntry | undefined>) =>
      entries.map(entry => entry?.revision).join();
    let before = await all();
    for (;;) {
      const now = await all();
      if (revisions(now) === revisions(before)) return now;
      before = now;
    }
  }

  #take(entries: ReadonlyArray<RegistryEntry | undefined>): void {
    const found = this.#options.networks.map((network, index) => judgeAlone(network, entries[index]));
    const candidates = found.flatMap(({ candidate }) => candidate ?? []);
    const refusals = arbitrate(candidates, this.#holdings());
    for (const { name, verdict } of found) {
      const refusal = refusals.get(name);
      this.#settle(
        name,
        refusal === undefined ? verdict : { type: 'unusable', error: refusalError(name, refusal) },
      );
    }
  }

  /** The same verdict stays the same object: whoever follows is told each once. */
  #settle(name: string, verdict: ConfigEvent): void {
    if (verdict.type === 'config') this.#granted.set(name, verdict.config);
    const before = this.#verdicts.get(name);
    if (before === undefined || verdictText(before) !== verdictText(verdict))
      this.#verdicts.set(name, verdict);
  }

  #holdings(): Holding[] {
    return this.#options.networks.flatMap(({ name, netns }) => {
      const granted = this.#granted.get(name);
      const configs = [...(granted === undefined ? [] : [granted]), ...(this.#inForce.get(name) ?? [])];
      return configs.map(config => ({ name, claims: claimsOf(config, netns) }));
    });
  }

  /** Resolves after the next change, or when the signal aborts. */
  #next(signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#options.signal]);
    return new Promise(resolve => {
      if (either.aborted) return resolve();
      const done = () => {
        this.#listeners.delete(done);
        either.removeEventListener('abort', done);
        resolve();
      };
      this.#listeners.add(done);
      either.addEventListener('abort', done);
    });
  }
}
