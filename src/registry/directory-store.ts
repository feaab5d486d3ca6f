import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../base/clock.ts';
import { describeError, hasCode, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type FileEntry, renderFile } from './directory-entry.ts';
import { JournalFile } from './directory-journal-file.ts';
import { DirectoryLock } from './directory-lock.ts';
import {
  type FileStamp,
  findFile,
  makeFolder,
  readEntry,
  removeFile,
  replaceFile,
  scanTree,
  stampFile,
  syncFolder,
  type Tree,
} from './directory-tree.ts';
import { type Change, History, type StoredEntry } from './history.ts';
import type { Revision } from './registry.ts';

/** A journal made anew counts on from the next multiple, so that its revisions are like none before. */
const revisionLeap = 1_000_000n;
/** A file younger than this may change again within one tick of its time stamp: it is read each time. */
const freshMs = 1000;

/**
 * A directory as one process sees it. What holds, at any instant and after any crash:
 *
 * 1. The files are the truth. An entry is its file; putting is one rename, deleting one unlink.
 * 2. The journal tells the changes in order. It follows the files, under the same lock: by the process that made
 *    the change or, when that was killed in between or the change was a hand's, by the next one that looks. To
 *    that one a change without a line in the journal looks the same, whoever made it.
 * 3. Whoever reads or writes holds the lock, has read the journal to its end, removed what has expired, and
 *    compared the files it speaks of with the journal.
 */
export class DirectoryStore {
  readonly history = new History();
  readonly #root: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lock: DirectoryLock;
  readonly #journal: JournalFile;
  /** Files known to say what the history says, by key. */
  readonly #compared = new Map<string, { readonly stamp: string; readonly revision: Revision }>();
  readonly #reported = new Map<string, string>();

  constructor(options: {
    readonly path: string;
    readonly clock: Clock;
    readonly random: () => number;
    readonly log: Log;
    readonly historyLength: number;
  }) {
    this.#root = options.path;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#lock = new DirectoryLock(options.path, options);
    this.#journal = new JournalFile(options.path, this.history, options.historyLength);
  }

  /** @throws WeftError `registry-unavailable` */
  makeFolder(): void {
    try {
      makeFolder(this.#root);
    } catch (error) {
      throw unavailable(this.#root, error);
    }
  }

  /** @throws WeftError `registry-unavailable` */
  requireFolder(): void {
    try {
      if (statSync(this.#root, { throwIfNoEntry: false }) !== undefined) return;
    } catch (error) {
      throw unavailable(this.#root, error);
    }
    throw new WeftError('registry-unavailable', `${this.#root}: there is no such folder`, {
      remedy:
        'correct the path behind -registry dir:, or start `weft run` or `weft config put` with it, which make it',
    });
  }

  /**
   * Runs `act`, which is synchronous, under the lock and with the history up to date.
   * @throws WeftError `registry-unavailable` when the directory is gone or refuses
   */
  async transact<T>(signal: AbortSignal, act: () => T): Promise<T> {
    try {
      return await this.#lock.hold(signal, () => {
        this.#catchUp();
        this.#expire();
        return act();
      });
    } catch (error) {
      throw isSystemError(error) ? unavailable(this.#root, error) : error;
    }
  }

  /** In a transaction: compares all files with the history; whatever a hand changed becomes a change. */
  compareAll(tree: Tree = scanTree(this.#root)): void {
    for (const [file, why] of tree.ignored) this.#report(file, why, why);
    for (const [key, file] of tree.files) this.#compareFile(key, file);
    for (const { entry } of [...this.history.entries()]) {
      if (!tree.files.has(entry.key)) this.#compareFile(entry.key, findFile(this.#root, entry.key));
    }
  }

  /** In a transaction: the entry of a key, after comparing its file. */
  read(key: string): StoredEntry | undefined {
    this.#compareFile(key, findFile(this.#root, key));
    return this.history.get(key);
  }

  /** In a transaction: writes a key. */
  put(key: string, value: string, ttlSeconds: number | undefined): Revision {
    const written = this.#write(key, value, ttlSeconds);
    this.#journal.append([{ type: 'put', ...written }]);
    return written.entry.revision;
  }

  /** In a transaction: writes the key `to` in the place of `from`. Killed in between, both are there, and neither is lost. */
  move(from: string, to: string, value: string, ttlSeconds: number | undefined): Revision {
    const written = this.#write(to, value, ttlSeconds);
    this.#remove(from);
    this.#journal.append([{ type: 'move', from, ...written }]);
    return written.entry.revision;
  }

  /** In a transaction: removes a key that is there. */
  delete(key: string): void {
    this.#remove(key);
    this.#journal.append([{ type: 'delete', key, revision: this.history.revision + 1n }]);
  }

  close(): void {
    this.#journal.close();
    this.#lock.close();
  }

  #write(key: string, value: string, ttlSeconds: number | undefined): StoredEntry {
    const expiresAtMs =
      ttlSeconds === undefined ? undefined : Math.ceil(this.#clock.wallMs()) + ttlSeconds * 1000;
    const revision = this.history.revision + 1n;
    replaceFile(this.#root, key, renderFile({ value, revision, expiresAtMs }));
    return storedEntry(key, { value, expiresAtMs }, revision);
  }

  #remove(key: string): void {
    removeFile(this.#root, key);
    syncFolder(path.dirname(path.join(this.#root, key)));
  }

  #catchUp(): void {
    try {
      if (this.#journal.catchUp()) return;
    } catch (error) {
      if (!hasCode(error, 'journal-damaged')) throw error;
      this.#log.error({ path: this.#root }, `${describeError(error)}; made anew from the files`);
    }
    this.#beginJournal();
  }

  #beginJournal(): void {
    const found: Array<{ readonly key: string; readonly file: FileEntry }> = [];
    for (const [key, file] of scanTree(this.#root).files) {
      const entry = this.#readFile(file);
      if (entry !== undefined) found.push({ key, file: entry });
    }
    const last = found.reduce(
      (max, { file }) => (file.revision !== undefined && file.revision > max ? file.revision : max),
      this.history.revision,
    );
    const base = last === 0n && found.length === 0 ? 0n : (last / revisionLeap + 1n) * revisionLeap;
    const checkpoint = found.map(({ key, file }) => storedEntry(key, file, file.revision ?? base));
    this.#compared.clear();
    this.#journal.replace({ header: { id: randomUUID(), base }, checkpoint, changes: [] });
  }

  /** The files go first: one left over after a crash has expired, and is removed when it is seen. */
  #expire(): void {
    const nowMs = this.#clock.wallMs();
    // A hand may have prolonged one.
    for (const { entry } of this.history.expired(nowMs)) this.read(entry.key);
    const expired = this.history.expired(nowMs);
    if (expired.length === 0) return;
    for (const { entry } of expired) removeFile(this.#root, entry.key);
    const first = this.history.revision + 1n;
    this.#journal.append(
      expired.map(({ entry }, index) => ({
        type: 'delete',
        key: entry.key,
        revision: first + BigInt(index),
      })),
    );
  }

  #compareFile(key: string, file: string | undefined): void {
    const stored = this.history.get(key);
    const stamp = file === undefined ? undefined : stampFile(this.#root, file);
    if (file === undefined || stamp === undefined) {
      if (stored !== undefined) this.#adopt({ type: 'delete', key, revision: this.history.revision + 1n });
      return;
    }
    const compared = this.#compared.get(key);
    if (compared?.stamp === stamp.text && compared.revision === stored?.entry.revision) return;
    const entry = this.#readFile(file, stamp);
    if (entry === undefined) return;
    if (stored === undefined && (entry.expiresAtMs ?? Number.POSITIVE_INFINITY) <= this.#clock.wallMs()) {
      removeFile(this.#root, key);
      return;
    }
    if (entry.value !== stored?.entry.value || entry.expiresAtMs !== stored.expiresAtMs) {
      this.#adopt(this.#putChange(key, entry));
    }
    this.#remember(key, stamp);
  }

  #adopt(change: Change): void {
    this.#journal.append([change]);
    const [key, what] = change.type === 'delete' ? [change.key, 'removed'] : [change.entry.key, 'written'];
    this.#log.info({ path: this.#root, key }, `${key} was ${what} by hand, or by a process that was killed`);
  }

  #remember(key: string, stamp: FileStamp): void {
    const revision = this.history.get(key)?.entry.revision;
    if (revision === undefined || this.#clock.wallMs() - stamp.modifiedMs < freshMs)
      this.#compared.delete(key);
    else this.#compared.set(key, { stamp: stamp.text, revision });
  }

  /** The entry of a file; undefined, and reported, when the file cannot be one. */
  #readFile(file: string, stamp = stampFile(this.#root, file)): FileEntry | undefined {
    try {
      return readEntry(this.#root, file);
    } catch (error) {
      this.#report(file, describeError(error), `${stamp?.text}`);
      return undefined;
    }
  }

  /** Once for each state of a file. */
  #report(file: string, why: string, state: string): void {
    if (this.#reported.get(file) === state) return;
    this.#reported.set(file, state);
    this.#log.warn({ path: path.join(this.#root, file) }, `ignoring the file ${file}: ${why}`);
  }

  #putChange(key: string, entry: Pick<FileEntry, 'value' | 'expiresAtMs'>): Change {
    return { type: 'put', ...storedEntry(key, entry, this.history.revision + 1n) };
  }
}

function storedEntry(
  key: string,
  { value, expiresAtMs }: Pick<FileEntry, 'value' | 'expiresAtMs'>,
  revision: Revision,
): StoredEntry {
  return { entry: { key, value, revision, permanent: expiresAtMs === undefined }, expiresAtMs };
}

function unavailable(folder: string, cause: unknown): WeftError {
  return new WeftError('registry-unavailable', `the registry directory ${folder} cannot be used`, {
    cause,
    remedy: `make sure that ${folder} is a directory that this user may write, with space left: ls -ld ${folder}; df ${folder}`,
  });
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
