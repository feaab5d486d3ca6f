import { type FSWatcher, statSync, watch } from 'node:fs';
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { DirectoryStore } from './directory-store.ts';
import { scanTree } from './directory-tree.ts';

/** A hand's file may be half written: after a sign of change we wait this long before we look. */
const settleMs = 10;
/** The longest time between two looks, should inotify have missed something or the wall clock have been set. */
const auditMs = 30_000;
/** The same where there is no inotify. */
const blindAuditMs = 1000;
const outageBackoff = { firstMs: 100, maxMs: 5000 };

/**
 * Keeps the history of a watched directory up to date: looks when inotify says so and when an entry expires. The
 * engine's own folder is not watched, as nothing changes there without a change among the entries' files.
 */
export class DirectoryKeeper {
  readonly #root: string;
  readonly #store: DirectoryStore;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Log;
  readonly #closing = new AbortController();
  readonly #folders = new Map<string, FSWatcher>();
  #running: Promise<void> | undefined;
  #outage: Error | undefined;
  #blind = false;
  #news = false;
  #wake = (): void => {};

  constructor(
    store: DirectoryStore,
    options: {
      readonly path: string;
      readonly clock: Clock;
      readonly random: () => number;
      readonly log: Log;
    },
  ) {
    this.#root = options.path;
    this.#store = store;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
  }

  /** Why the directory could not be looked at the last time; undefined when it could. */
  get outage(): Error | undefined {
    return this.#outage;
  }

  /** Begins keeping when that was not begun yet. Resolves after one look, good or bad. */
  async start(): Promise<void> {
    await this.#look();
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    for (const watcher of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      failures = this.#outage === undefined ? 0 : failures + 1;
      await this.#rest(failures === 0 ? this.#untilNextLook() : this.#untilNextTry(failures));
      this.#news = false;
      await this.#look();
    }
  }

  async #look(): Promise<void> {
    let outage: Error | undefined;
    try {
      await this.#store.transact(this.#closing.signal, () => {
        let tree = scanTree(this.#root);
        while (this.#follow(tree.folders)) tree = scanTree(this.#root);
        this.#store.compareAll(tree);
      });
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      outage = error instanceof Error ? error : new Error(String(error));
    }
    this.#tell(outage);
  }

  /** An outage that lasts is told once, though each try fails with an error of its own. */
  #tell(outage: Error | undefined): void {
    if (outage !== undefined && this.#outage !== undefined) return;
    if (outage === this.#outage) return;
    this.#outage = outage;
    this.#store.history.wake();
  }

  /** Watches these folders and no others; true when one was added, which may have changed before. */
  #follow(folders: readonly string[]): boolean {
    const wanted = new Map(folders.map(folder => [`${statSync(folder).ino} ${folder}`, folder]));
    for (const [id, watcher] of this.#folders) {
      if (wanted.has(id)) continue;
      watcher.close();
      this.#folders.delete(id);
    }
    const added = [...wanted].filter(([id]) => !this.#folders.has(id));
    for (const [id, folder] of this.#blind ? [] : added) this.#watchFolder(id, folder);
    return added.length > 0 && !this.#blind;
  }

  #watchFolder(id: string, folder: string): void {
    const news = (): void => {
      this.#news = true;
      this.#wake();
    };
    try {
      this.#folders.set(id, watch(folder, news).on('error', news));
    } catch (error) {
      this.#blind = true;
      this.#log.warn(
        { folder },
        `no inotify for ${folder} (${describeError(error)}): looking every ${blindAuditMs / 1000} s instead; see sysctl fs.inotify`,
      );
    }
  }

  #untilNextLook(): number {
    const audit = this.#blind ? blindAuditMs : auditMs;
    const expiry = this.#store.history.nextExpiryMs();
    return expiry === undefined ? audit : Math.min(audit, Math.max(0, expiry - this.#clock.wallMs() + 1));
  }

  #untilNextTry(failures: number): number {
    return backoffMs(outageBackoff, failures - 1, this.#random());
  }

  /** Sleeps, at most until there is news. */
  async #rest(milliseconds: number): Promise<void> {
    const { signal } = this.#closing;
    const woken = new AbortController();
    this.#wake = () => woken.abort();
    if (!this.#news) await this.#sleep(milliseconds, AbortSignal.any([signal, woken.signal]));
    if (this.#news) await this.#sleep(settleMs, signal);
  }

  async #sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(milliseconds, { signal }).catch(error => {
      if (!signal.aborted) throw error;
    });
  }
}
