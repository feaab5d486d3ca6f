import { closeSync, fstatSync, mkdirSync, openSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../base/clock.ts';
import { WeftError } from '../base/errors.ts';
import { tryLock, unlock } from '../sys/flock.ts';
import { ownFolder } from './directory-key.ts';
import { folderMode } from './directory-tree.ts';

/** A holder needs milliseconds; one that is stopped (SIGSTOP, a debugger) holds it until it goes on. */
const patienceMs = 10_000;
/** Between two tries, with as much again at random, so that many that wait do not ask in step. */
const retryMs = 1;

/** The lock of a directory: one holder at a time among all processes and all registries of a process. */
export class DirectoryLock {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #random: () => number;
  #fd: number | undefined;

  constructor(root: string, options: { readonly clock: Clock; readonly random: () => number }) {
    this.#root = root;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /**
   * Runs `act` while holding the lock. It must be synchronous: so no other request of this process, which shares
   * the descriptor and hence the lock, can come between.
   * @throws WeftError `registry-locked` when somebody else keeps the lock for 10 s
   */
  async hold<T>(signal: AbortSignal, act: () => T): Promise<T> {
    const deadline = this.#clock.monotonicMs() + patienceMs;
    for (;;) {
      signal.throwIfAborted();
      const fd = this.#open();
      if (tryLock(fd)) {
        try {
          if (this.#isInPlace(fd)) return act();
        } finally {
          unlock(fd);
        }
        this.close();
      } else if (this.#clock.monotonicMs() > deadline) {
        throw this.#locked();
      }
      await this.#clock.sleep(retryMs * (1 + this.#random()), { signal });
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  get #path(): string {
    return path.join(this.#root, ownFolder, 'lock');
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const folder = path.dirname(this.#path);
    // Not recursive: a directory that was taken away (or whose mount was) stays away until it is put back.
    if (statSync(folder, { throwIfNoEntry: false }) === undefined) mkdirSync(folder, { mode: folderMode });
    this.#fd = openSync(this.#path, 'a', 0o600);
    return this.#fd;
  }

  /** False when the directory was deleted, and perhaps made anew, since the file was opened. */
  #isInPlace(fd: number): boolean {
    const there = statSync(this.#path, { throwIfNoEntry: false });
    const own = fstatSync(fd);
    return there !== undefined && there.ino === own.ino && there.dev === own.dev;
  }

  #locked(): WeftError {
    return new WeftError(
      'registry-locked',
      `another process has kept the lock ${this.#path} for more than ${patienceMs / 1000} s`,
      { remedy: `find it with: fuser -v ${this.#path}` },
    );
  }
}
