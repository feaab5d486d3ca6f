/** Keeps one of several networks alive: it joins and serves, and when it cannot it is told, waits and begins again. */
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError, hasCode, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { Scope } from '../base/scope.ts';
import { controlPath } from '../control/control-path.ts';
import type { ServedNetwork } from '../host/served-network.ts';
import type { Registry } from '../registry/registry.ts';
import { createSubnetManager } from '../registry/subnet-manager.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { arbitratedManager } from './arbitrated-manager.ts';
import type { ControlSocket } from './control-socket.ts';
import type { Readiness } from './health.ts';
import { acquireInstanceLock } from './instance-lock.ts';
import { answerLive } from './live-answer.ts';
import type { MeasuredNetwork } from './metrics/measured-network.ts';
import type { NetworkArbiter } from './network-arbiter.ts';
import { liveInNetwork } from './network-life.ts';
import { type NetworkPlace, placeInNetns, placeOnUnderlay } from './network-place.ts';
import type { DaemonOptions, NamedNetwork } from './options.ts';
import { tellsOfRepair } from './repair-log.ts';
import type { NetworkService } from './serve.ts';
import { TroubleBook } from './trouble-book.ts';

export interface KeeperOptions {
  /** Of this program. */
  readonly version: string;
  readonly options: DaemonOptions;
  readonly network: NamedNetwork & { readonly registry: Registry };
  readonly underlay: NetlinkSocket;
  readonly arbiter: NetworkArbiter;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly signal: AbortSignal;
  /** Told when `served` is another. */
  onServed(): void;
}

const retry = { firstMs: 500, maxMs: 30_000 } as const;
/** A namespace is made again by somebody who waits for the network in it. */
const namespaceRetryMs = 1000;
const toldEach = 10;

export class NetworkKeeper {
  readonly #options: KeeperOptions;
  readonly #log: Log;
  readonly #troubles: TroubleBook;
  #service: NetworkService | undefined;
  #problem = '';

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#troubles = new TroubleBook(options.clock, message => !tellsOfRepair(message));
    this.#log = this.#troubles.listen(logOf(options.log, options.network.name));
  }

  get name(): string {
    return this.#options.network.name;
  }

  readiness(): Readiness {
    if (this.#service !== undefined) return this.#service.readiness();
    const refusal = this.#options.arbiter.refusalOf(this.name);
    return { ready: false, reason: this.#problem || (refusal?.message ?? 'no lease yet') };
  }

  /** What there is to be measured; undefined while there is no lease. */
  get measured(): MeasuredNetwork | undefined {
    return this.#service?.measured;
  }

  /** What other hosts may ask about; undefined while there is no lease. */
  get served(): ServedNetwork | undefined {
    return this.#service?.served;
  }

  reload(): void {
    if (this.#service !== undefined) this.#service.reload();
    else this.#log.info({}, 'SIGHUP: the network is not joined yet, nothing to look at again');
  }

  /** Lives until the signal aborts, and never rejects. */
  async run(): Promise<void> {
    const socket = this.#answer();
    try {
      await this.#keepLiving();
    } finally {
      socket.close();
    }
  }

  #answer(): ControlSocket {
    const { version, clock, options } = this.#options;
    const path = controlPath(options.subnetFile);
    return answerLive(
      {
        ...{ version, troubles: this.#troubles },
        readiness: () => this.readiness(),
        service: () => this.#service,
      },
      { path, clock, log: this.#log },
    );
  }

  async #keepLiving(): Promise<void> {
    const { clock, signal } = this.#options;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#live();
      } catch (error) {
        if (signal.aborted) return;
        if (this.#service !== undefined) failures = 0;
        this.#end();
        await clock.sleep(this.#tell(error, failures), { signal }).catch(() => {});
      } finally {
        this.#end();
      }
    }
  }

  #end(): void {
    if (this.#service === undefined) return;
    this.#service = undefined;
    this.#options.onServed();
  }

  async #live(): Promise<void> {
    const { options, network, arbiter, clock, random, onServed } = this.#options;
    const { name, registry } = network;
    const scope = new Scope();
    const place = this.#claim(scope);
    // Whatever ends this life ends all that runs in it.
    const signal = AbortSignal.any([this.#options.signal, place.lost, scope.signal]);
    const tools = { log: this.#log, clock, random, signal };
    try {
      await liveInNetwork(options, {
        ...tools,
        place,
        manager: arbitratedManager(createSubnetManager({ registry, ...tools }), arbiter, name),
        others: {
          apart: () => arbiter.apartFrom(name),
          onChange: (listener, until) => arbiter.onChange(listener, until),
          hold: configs => arbiter.hold(name, configs),
        },
        onJoined: service => {
          this.#service = service;
          this.#problem = '';
          onServed();
        },
        onMembership: onServed,
      });
      place.lost.throwIfAborted();
    } catch (error) {
      throw place.lost.aborted ? place.lost.reason : error;
    } finally {
      await scope.close();
    }
  }

  /** @throws WeftError `already-running`, `netns-missing`, `netns-own` */
  #claim(scope: Scope): NetworkPlace {
    const { network, underlay, clock } = this.#options;
    const { name, netns } = network;
    // Locks of devices are where the devices are: this one is where a clean-up, or another daemon, looks first.
    const lock = acquireInstanceLock(`network ${name}`);
    scope.own('instance lock', lock);
    try {
      const place = netns === undefined ? placeOnUnderlay(underlay) : placeInNetns(netns, underlay, clock);
      return scope.own('place', place);
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** Gives the time until the next try. */
  #tell(error: unknown, failures: number): number {
    const problem = describeError(error);
    const isKnown = problem === this.#problem && failures % toldEach !== 0;
    this.#problem = problem;
    const waitsForNamespace = hasCode(error, 'netns-missing');
    const retryInMs = waitsForNamespace
      ? namespaceRetryMs
      : backoffMs(retry, failures, this.#options.random());
    if (isKnown) return retryInMs;
    const { code, remedy } = error instanceof WeftError ? error : { code: undefined, remedy: undefined };
    this.#log.error({ code, remedy, retryInMs }, `the network does not work, trying again: ${problem}`);
    return retryInMs;
  }
}

/** Each line says of which network it is. */
function logOf(log: Log, network: string): Log {
  return {
    debugs: log.debugs,
    debug: (fields, message) => log.debug({ network, ...fields }, message),
    info: (fields, message) => log.info({ network, ...fields }, message),
    warn: (fields, message) => log.warn({ network, ...fields }, message),
    error: (fields, message) => log.error({ network, ...fields }, message),
  };
}
