import type {
  ListOptions,
  RegistryEntry,
  RegistryEvent,
  RegistrySnapshot,
  Revision,
  WatchOptions,
} from './registry.ts';

/** An entry and when it expires, in the milliseconds of whichever clock its engine uses. */
export interface StoredEntry {
  readonly entry: RegistryEntry;
  /** Undefined for a permanent entry. */
  readonly expiresAtMs: number | undefined;
}

/** What a registry tells as what remains of an entry. */
export function secondsLeft(stored: StoredEntry | undefined, nowMs: number): number | undefined {
  const { expiresAtMs } = stored ?? {};
  return expiresAtMs === undefined ? undefined : Math.max(0, (expiresAtMs - nowMs) / 1000);
}

/** One change of a store. Revisions follow each other without a gap. */
export type Change =
  | ({ readonly type: 'put' } & StoredEntry)
  /** The entry comes where that of another key goes. */
  | ({ readonly type: 'move'; readonly from: string } & StoredEntry)
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision };

/**
 * What a process knows of a store: the entries at the latest revision, and the changes that led there, as far
 * back as `floor`. Pure memory; the memory and directory engines are built on it.
 */
export class History {
  #entries = new Map<string, StoredEntry>();
  /** `#changes[i]` has revision `#floor + 1 + i`. */
  #changes: Change[] = [];
  #floor: Revision = 0n;
  #generation = 0;
  readonly #wakers = new Set<() => void>();

  get revision(): Revision {
    return this.#floor + BigInt(this.#changes.length);
  }

  /** Changes up to this revision can no longer be told one by one. */
  get floor(): Revision {
    return this.#floor;
  }

  /** How many changes can be told. */
  get length(): number {
    return this.#changes.length;
  }

  /** Grows when the store was exchanged for another, so that equal revisions mean nothing. */
  get generation(): number {
    return this.#generation;
  }

  get(key: string): StoredEntry | undefined {
    return this.#entries.get(key);
  }

  entries(): Iterable<StoredEntry> {
    return this.#entries.values();
  }

  snapshot(prefix: string): RegistrySnapshot {
    const entries = [...this.#entries.values()]
      .map(stored => stored.entry)
      .filter(entry => entry.key.startsWith(prefix))
      .sort((one, other) => (one.key < other.key ? -1 : 1));
    return { entries, revision: this.revision };
  }

  /** The changes after a revision, or undefined when they cannot be told. */
  since(revision: Revision): readonly Change[] | undefined {
    if (revision < this.#floor || revision > this.revision) return undefined;
    return this.#changes.slice(Number(revision - this.#floor));
  }

  /** Adds the next change. @throws RangeError when it is not the next */
  record(change: Change): void {
    if (revisionOf(change) !== this.revision + 1n) {
      throw new RangeError(`change ${revisionOf(change)} does not follow ${this.revision}`);
    }
    this.#changes.push(change);
    applyChange(this.#entries, change);
    this.wake();
  }

  /** Forgets how it came to `revision`; the entries stay. */
  forget(revision: Revision): void {
    if (revision <= this.#floor) return;
    this.#changes = this.#changes.slice(Number(revision - this.#floor));
    this.#floor = revision;
  }

  /** Starts anew from other entries, as of `revision`: everybody who watches is told a snapshot. */
  replace(entries: Iterable<StoredEntry>, revision: Revision): void {
    this.#entries = new Map(Array.from(entries, stored => [stored.entry.key, stored]));
    this.#changes = [];
    this.#floor = revision;
    this.#generation++;
    this.wake();
  }

  /** The earliest expiry, or undefined when nothing expires. */
  nextExpiryMs(): number | undefined {
    let next: number | undefined;
    for (const { expiresAtMs } of this.#entries.values()) {
      if (expiresAtMs !== undefined && (next === undefined || expiresAtMs < next)) next = expiresAtMs;
    }
    return next;
  }

  /** The entries whose time has come, the earliest first. */
  expired(nowMs: number): readonly StoredEntry[] {
    return [...this.#entries.values()]
      .filter(({ expiresAtMs }) => expiresAtMs !== undefined && expiresAtMs <= nowMs)
      .sort((one, other) => (one.expiresAtMs ?? 0) - (other.expiresAtMs ?? 0));
  }

  /** Makes everybody who waits look again. */
  wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }

  /** Resolves at the next change or {@link wake}, or when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        this.#wakers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wakers.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }
}

export function revisionOf(change: Change): Revision {
  return change.type === 'delete' ? change.revision : change.entry.revision;
}

/** Makes of the entries before a change those after it. */
export function applyChange(entries: Map<string, StoredEntry>, change: Change): void {
  if (change.type === 'delete') return void entries.delete(change.key);
  if (change.type === 'move') entries.delete(change.from);
  const { entry, expiresAtMs } = change;
  entries.set(entry.key, { entry, expiresAtMs });
}

/** `Registry.list` of what a process has in its memory anyway: one page. */
export function inPages(snapshot: RegistrySnapshot, { since, onPage }: ListOptions): RegistrySnapshot {
  const { revision } = snapshot;
  const entries =
    since === undefined ? snapshot.entries : snapshot.entries.filter(entry => entry.revision > since);
  onPage?.({ entries, first: true });
  return { entries: onPage === undefined ? entries : [], revision };
}

/**
 * `Registry.watch` over a history. While `outage` gives an error nothing but the outage is told: what happened
 * meanwhile comes afterwards, as changes where they can be told, else as a snapshot.
 */
export async function* followHistory(
  history: History,
  prefix: string,
  options: WatchOptions & { readonly outage: () => Error | undefined },
): AsyncGenerator<RegistryEvent, void, void> {
  const { signal, outage } = options;
  let position: { readonly generation: number; readonly revision: Revision } | undefined;
  if (options.after !== undefined) position = { generation: history.generation, revision: options.after };
  let told: Error | undefined;
  while (!signal.aborted) {
    const cause = outage();
    if (cause !== told) {
      told = cause;
      yield cause === undefined
        ? { type: 'state', connected: true }
        : { type: 'state', connected: false, cause };
    } else if (cause !== undefined) {
      await history.changed(signal);
    } else {
      const { generation, revision } = history;
      const changes = position?.generation === generation ? history.since(position.revision) : undefined;
      position = { generation, revision };
      if (changes === undefined) yield { type: 'snapshot', ...history.snapshot(prefix) };
      else if (changes.length === 0) await history.changed(signal);
      else yield* eventsOf(changes, prefix, signal);
    }
  }
}

function* eventsOf(
  changes: readonly Change[],
  prefix: string,
  signal: AbortSignal,
): Generator<RegistryEvent> {
  for (const event of changes.flatMap(change => eventsOfOne(change, prefix))) {
    if (signal.aborted) return;
    yield event;
  }
}

function eventsOfOne(change: Change, prefix: string): RegistryEvent[] {
  if (change.type === 'delete') return change.key.startsWith(prefix) ? [change] : [];
  const { entry } = change;
  const comes = entry.key.startsWith(prefix);
  const put: RegistryEvent[] = comes ? [{ type: 'put', entry }] : [];
  if (change.type === 'put' || !change.from.startsWith(prefix)) return put;
  const { revision } = entry;
  const gone: RegistryEvent = { type: 'delete', key: change.from, revision };
  return [comes ? { ...gone, movedTo: entry } : gone, ...put];
}
