/**
 * The operator's commands as a carrier: each peer is told of when it comes, and when it goes or comes back otherwise. One
 * peer's commands run in order, those of many peers side by side.
 */
import type { ExtensionCommands } from '../backend/backend.ts';
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { CarriedPeer } from '../host/carried-peer.ts';
import { describeSubnet } from '../lease/judge.ts';
import { formatLeaseAttrs } from '../lease/lease-attrs.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import type { CarrierChange, CarrierService } from './carrier.ts';
import { tellOfPeer } from './extension-commands.ts';

export interface ExtensionCarrierOptions {
  readonly commands: ExtensionCommands;
  readonly log: Log;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** How long a SubnetAddCommand that failed waits; for tests. */
  readonly retry?: { readonly firstMs: number; readonly maxMs: number } | undefined;
}

/** What the commands have been told of a peer, and what they shall be told. */
interface Told {
  /** By the last SubnetAddCommand, which may have failed. */
  peer: CarriedPeer | undefined;
  failures: number;
  wanted: CarriedPeer | undefined;
  /** Ends a wait for the next try. */
  news: AbortController;
  /** Is somebody seeing to it? */
  busy: boolean;
}

const defaultRetry = { firstMs: 1000, maxMs: 60_000 } as const;
/** Chosen: a start with hundreds of peers must not fork hundreds of programs at once. */
const sideBySide = 8;

export class ExtensionCarrier implements CarrierService {
  readonly #options: ExtensionCarrierOptions;
  readonly #ending = new AbortController();
  /** By registry key, for as long as there is something to tell, or to be taken back. */
  readonly #peers = new Map<string, Told>();
  readonly #work = new Set<Promise<void>>();
  readonly #slots = new Slots(sideBySide);
  /** Peers of the first change that no command has been told of. */
  #untold: Set<string> | undefined;

  constructor(options: ExtensionCarrierOptions) {
    this.#options = options;
  }

  /** Until each peer known at the start has been tried once: what fails is tried again, and holds up nobody. */
  get problem(): string | undefined {
    const { size } = this.#untold ?? { size: 0 };
    return size === 0 ? undefined : `SubnetAddCommand has not been run yet for ${size} peers`;
  }

  change({ joined, left }: CarrierChange): void {
    if (this.#ending.signal.aborted) return;
    const wanted = new Map<string, CarriedPeer | undefined>();
    for (const peer of left) wanted.set(formatSubnetKey(peer.lease.subnet), undefined);
    for (const peer of joined) wanted.set(formatSubnetKey(peer.lease.subnet), peer);
    this.#untold ??= new Set(joined.map(peer => formatSubnetKey(peer.lease.subnet)));
    for (const [key, peer] of wanted) this.#want(key, peer);
  }

  /** Nothing that commands are told of a peer depends on this host. */
  follow(): void {}

  deviceMade(): void {}

  /** Ends what is running. Peers are not taken back: the data path stays. */
  async close(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#work);
  }

  #want(key: string, peer: CarriedPeer | undefined): void {
    const told = this.#peers.get(key);
    if (told === undefined) {
      if (peer === undefined) return;
      const news = new AbortController();
      const fresh = { peer: undefined, failures: 0, wanted: peer, news, busy: false };
      this.#peers.set(key, fresh);
      this.#start(key, fresh);
    } else if (!isSame(told.wanted, peer)) {
      told.wanted = peer;
      told.news.abort();
      if (!told.busy) this.#start(key, told);
    }
  }

  #start(key: string, told: Told): void {
    told.busy = true;
    const work = this.#follow(key, told).finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  /** Tells of one peer until the commands know what is wanted. */
  async #follow(key: string, told: Told): Promise<void> {
    const { clock, random, retry = defaultRetry } = this.#options;
    while (!isDone(told) && !this.#ending.signal.aborted) {
      told.news = new AbortController();
      await this.#slots.use(() => this.#next(told));
      this.#untold?.delete(key);
      if (isDone(told) || told.failures === 0 || told.news.signal.aborted) continue;
      const signal = AbortSignal.any([told.news.signal, this.#ending.signal]);
      await clock.sleep(backoffMs(retry, told.failures - 1, random()), { signal }).catch(() => {});
    }
    told.busy = false;
    if (told.wanted === undefined && told.peer === undefined) this.#peers.delete(key);
  }

  /** What was told otherwise is taken back with its own data first. */
  async #next(told: Told): Promise<void> {
    const { peer, wanted } = told;
    if (this.#ending.signal.aborted) return;
    if (peer !== undefined && !isSame(peer, wanted)) {
      // Once: it may well fail because there is nothing left to remove.
      await this.#tell('SubnetRemoveCommand', peer);
      told.peer = undefined;
      told.failures = 0;
    } else if (wanted !== undefined) {
      told.peer = wanted;
      told.failures = (await this.#tell('SubnetAddCommand', wanted)) ? 0 : told.failures + 1;
    }
  }

  /** True when the command did what it should. */
  async #tell(name: 'SubnetAddCommand' | 'SubnetRemoveCommand', peer: CarriedPeer): Promise<boolean> {
    const { commands, log } = this.#options;
    const { signal } = this.#ending;
    try {
      await tellOfPeer(name, commands, peer, { log, signal });
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const remedy = error instanceof WeftError ? error.remedy : undefined;
      const next = name === 'SubnetAddCommand' ? ': it will be tried again' : '';
      log.error(
        { peer: describeSubnet(peer.lease.subnet), error: describeError(error), remedy },
        `${name} failed${next}`,
      );
      return false;
    }
  }
}

/** Nothing is left to tell. */
function isDone({ peer, failures, wanted }: Told): boolean {
  return isSame(peer, wanted) && failures === 0;
}

/** True when commands could not tell one from the other. */
function isSame(one: CarriedPeer | undefined, other: CarriedPeer | undefined): boolean {
  return one === other || (one !== undefined && other !== undefined && factsOf(one) === factsOf(other));
}

function factsOf({ lease, routed }: CarriedPeer): string {
  return `${formatLeaseAttrs(lease.attrs)} ${routed.join(' ')}`;
}

/** So many at a time, and the others in the order they came. */
class Slots {
  #free: number;
  readonly #waiting: Array<() => void> = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use(act: () => Promise<void>): Promise<void> {
    if (this.#free === 0) await new Promise<void>(resolve => this.#waiting.push(resolve));
    else this.#free--;
    try {
      await act();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
