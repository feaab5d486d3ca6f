import type { Clock } from '../base/clock.ts';
import { WeftError } from '../base/errors.ts';
import { type Change, followHistory, History, inPages, secondsLeft } from './history.ts';
import { checkTtl, holds } from './put-rules.ts';
import type {
  DeleteOptions,
  ListOptions,
  MoveOptions,
  PutOptions,
  PutResult,
  Registry,
  RegistryEntry,
  RegistryEvent,
  RegistrySnapshot,
  RequestOptions,
  Revision,
  WatchOptions,
} from './registry.ts';

/**
 * What several memory registries share, as several hosts share one etcd. Keys expire by the clock it is given,
 * so that a test decides when.
 */
export class MemoryStore {
  readonly history = new History();
  readonly clock: Clock;
  readonly #closing = new AbortController();

  constructor(options: { readonly clock: Clock }) {
    this.clock = options.clock;
  }

  get nextRevision(): Revision {
    return this.history.revision + 1n;
  }

  /** Every change of the past is forgotten: whoever is behind is told a snapshot. */
  compact(): void {
    this.history.forget(this.history.revision);
  }

  /** Removes what has expired by now. */
  expire(): void {
    for (const { entry } of this.history.expired(this.clock.monotonicMs())) {
      this.history.record({ type: 'delete', key: entry.key, revision: this.nextRevision });
    }
  }

  /** @param from the key that goes meanwhile, if any */
  put(key: string, value: string, ttlSeconds: number | undefined, from?: string): Revision {
    const revision = this.nextRevision;
    const entry = { key, value, revision, permanent: ttlSeconds === undefined };
    const ttlMs = ttlSeconds === undefined ? undefined : ttlSeconds * 1000;
    const expiresAtMs = ttlMs === undefined ? undefined : this.clock.monotonicMs() + ttlMs;
    const stored = { entry, expiresAtMs };
    this.history.record(from === undefined ? { type: 'put', ...stored } : { type: 'move', from, ...stored });
    if (ttlMs !== undefined) void this.#expireAfter(ttlMs);
    return revision;
  }

  delete(key: string): void {
    const change: Change = { type: 'delete', key, revision: this.nextRevision };
    this.history.record(change);
  }

  /** Ends the expiry timers. */
  close(): void {
    this.#closing.abort();
  }

  async #expireAfter(milliseconds: number): Promise<void> {
    const { signal } = this.#closing;
    const atMs = this.clock.monotonicMs() + milliseconds;
    // Timers of Node may come a little early.
    for (let restMs = milliseconds; restMs > 0 && !signal.aborted; restMs = atMs - this.clock.monotonicMs()) {
      await this.clock.sleep(Math.ceil(restMs), { signal }).catch(() => {});
    }
    if (!signal.aborted) this.expire();
  }
}

/** @param options.store shared with other registries; without, the registry has one of its own and closes it */
export function openMemoryRegistry(options: {
  readonly clock: Clock;
  readonly store?: MemoryStore;
}): MemoryRegistry {
  return new MemoryRegistry(options.store ?? new MemoryStore(options), options.store === undefined);
}

/** The registry for tests, with an outage at will. Forgets everything when the process ends. */
export class MemoryRegistry implements Registry {
  readonly name = 'memory';
  readonly store: MemoryStore;
  readonly #ownsStore: boolean;
  readonly #closing = new AbortController();
  #outage: Error | undefined;

  constructor(store: MemoryStore, ownsStore: boolean) {
    this.store = store;
    this.#ownsStore = ownsStore;
  }

  /** From now on requests of this registry fail with `cause` and its watches tell nothing but the outage. */
  disconnect(cause: Error): void {
    this.#outage = cause;
    this.store.history.wake();
  }

  /** Ends the outage; watches tell what they missed. */
  reconnect(): void {
    this.#outage = undefined;
    this.store.history.wake();
  }

  async get(key: string, options: RequestOptions = {}): Promise<RegistryEntry | undefined> {
    await this.#arrive(options);
    return this.store.history.get(key)?.entry;
  }

  async list(prefix: string, options: ListOptions = {}): Promise<RegistrySnapshot> {
    await this.#arrive(options);
    return inPages(this.store.history.snapshot(prefix), options);
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<PutResult> {
    const ttlSeconds = checkTtl(options.ttlSeconds);
    await this.#arrive(options);
    const current = this.store.history.get(key)?.entry;
    if (!holds(options.expect, current)) return { written: false, current };
    return { written: true, revision: this.store.put(key, value, ttlSeconds), ttlSeconds };
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    await this.#arrive(options);
    const current = this.store.history.get(key)?.entry;
    if (current === undefined || !holds(options.expect, current)) return false;
    this.store.delete(key);
    return true;
  }

  async move(from: string, to: string, value: string, options: MoveOptions): Promise<PutResult> {
    const ttlSeconds = checkTtl(options.ttlSeconds);
    await this.#arrive(options);
    const { history } = this.store;
    const current = history.get(from)?.entry;
    if (current?.revision !== options.expect || history.get(to) !== undefined) {
      return { written: false, current };
    }
    return { written: true, revision: this.store.put(to, value, ttlSeconds, from), ttlSeconds };
  }

  async remaining(key: string, options: RequestOptions = {}): Promise<number | undefined> {
    await this.#arrive(options);
    return secondsLeft(this.store.history.get(key), this.store.clock.monotonicMs());
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<RegistryEvent> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return followHistory(this.store.history, prefix, { ...options, signal, outage: () => this.#outage });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#ownsStore) this.store.close();
  }

  /** A turn of the event loop passes, as on the way to a server, so that requests under way can race. */
  async #arrive(options: RequestOptions): Promise<void> {
    options.signal?.throwIfAborted();
    await new Promise(resolve => setImmediate(resolve));
    options.signal?.throwIfAborted();
    if (this.#closing.signal.aborted)
      throw new WeftError('registry-closed', 'the memory registry was closed');
    if (this.#outage !== undefined) {
      throw new WeftError('registry-unavailable', 'the memory registry is out', { cause: this.#outage });
    }
    this.store.expire();
  }
}
