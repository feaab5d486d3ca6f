import path from 'node:path';
import type { Clock } from '../base/clock.ts';
import { WeftError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import { DirectoryKeeper } from './directory-keeper.ts';
import { pathOfKey } from './directory-key.ts';
import { DirectoryStore } from './directory-store.ts';
import { followHistory, inPages, secondsLeft } from './history.ts';
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
  WatchOptions,
} from './registry.ts';

export interface DirectoryOptions {
  /** All who share it are on one machine and one file system. */
  readonly path: string;
  /** False: it is refused when it is not there. Made, unless given. */
  readonly make?: boolean | undefined;
  readonly clock: Clock;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  readonly log?: Log | undefined;
  /** How many changes the journal keeps to tell one by one. */
  readonly historyLength?: number | undefined;
}

/**
 * The embedded registry: one file per key in a directory, for all hosts (network namespaces) of one machine.
 * Nothing runs: processes meet in the files, through a lock and inotify.
 * @throws WeftError `registry-unavailable` when the directory cannot be made or used, or is not there and shall not be made
 */
export async function openDirectoryRegistry(options: DirectoryOptions): Promise<Registry> {
  const registry = new DirectoryRegistry({
    ...options,
    path: path.resolve(options.path),
    log: options.log ?? silentLog,
    historyLength: options.historyLength ?? 1000,
  });
  try {
    await registry.prepare(options.make ?? true);
    return registry;
  } catch (error) {
    await registry.close();
    throw error;
  }
}

class DirectoryRegistry implements Registry {
  readonly name: string;
  readonly #store: DirectoryStore;
  readonly #keeper: DirectoryKeeper;
  readonly #clock: Clock;
  readonly #closing = new AbortController();

  constructor(options: DirectoryOptions & { readonly log: Log; readonly historyLength: number }) {
    this.name = `dir:${options.path}`;
    this.#clock = options.clock;
    this.#store = new DirectoryStore(options);
    this.#keeper = new DirectoryKeeper(this.#store, options);
  }

  /** Looks at what is in the directory, which is made where it is missing, or refused. */
  async prepare(make: boolean): Promise<void> {
    if (make) this.#store.makeFolder();
    else this.#store.requireFolder();
    await this.list('');
  }

  async get(key: string, options: RequestOptions = {}): Promise<RegistryEntry | undefined> {
    pathOfKey(key);
    return await this.#transact(options, () => this.#store.read(key)?.entry);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<RegistrySnapshot> {
    const snapshot = await this.#transact(options, () => {
      this.#store.compareAll();
      return this.#store.history.snapshot(prefix);
    });
    return inPages(snapshot, options);
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<PutResult> {
    pathOfKey(key);
    const ttlSeconds = checkTtl(options.ttlSeconds);
    return await this.#transact(options, () => {
      const current = this.#store.read(key)?.entry;
      if (!holds(options.expect, current)) return { written: false, current };
      return { written: true, revision: this.#store.put(key, value, ttlSeconds), ttlSeconds };
    });
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    pathOfKey(key);
    return await this.#transact(options, () => {
      const current = this.#store.read(key)?.entry;
      if (current === undefined || !holds(options.expect, current)) return false;
      this.#store.delete(key);
      return true;
    });
  }

  async move(from: string, to: string, value: string, options: MoveOptions): Promise<PutResult> {
    pathOfKey(from);
    pathOfKey(to);
    const ttlSeconds = checkTtl(options.ttlSeconds);
    return await this.#transact(options, () => {
      const current = this.#store.read(from)?.entry;
      if (current?.revision !== options.expect || this.#store.read(to) !== undefined) {
        return { written: false, current };
      }
      return { written: true, revision: this.#store.move(from, to, value, ttlSeconds), ttlSeconds };
    });
  }

  async remaining(key: string, options: RequestOptions = {}): Promise<number | undefined> {
    pathOfKey(key);
    // Kept by the wall clock, which all who share the directory have in common.
    return await this.#transact(options, () => secondsLeft(this.#store.read(key), this.#clock.wallMs()));
  }

  async *watch(prefix: string, options: WatchOptions): AsyncGenerator<RegistryEvent, void, void> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    if (signal.aborted) return;
    await this.#keeper.start();
    const outage = (): Error | undefined => this.#keeper.outage;
    yield* followHistory(this.#store.history, prefix, { ...options, signal, outage });
  }

  async close(): Promise<void> {
    this.#closing.abort(new WeftError('registry-closed', `the registry ${this.name} was closed`));
    await this.#keeper.close();
    this.#store.close();
  }

  async #transact<T>(options: RequestOptions, act: () => T): Promise<T> {
    const { signal: closing } = this.#closing;
    const signal = options.signal === undefined ? closing : AbortSignal.any([closing, options.signal]);
    return await this.#store.transact(signal, act);
  }
}
