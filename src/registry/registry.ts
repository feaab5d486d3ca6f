/**
 * Where configuration and leases live: a small ordered key-value store with expiry and watches. Engines: etcd,
 * directory, memory; all pass the contract suite in test/contract. Keys are relative to the network's prefix
 * (`config`, `subnets/10.2.14.0-24`), values are text; what they mean is the subnet manager's business.
 */
export interface Registry {
  /** Where it is, for logs and errors: never a secret. */
  readonly name: string;

  /** The entry of one key, or undefined when there is none. */
  get(key: string, options?: RequestOptions): Promise<RegistryEntry | undefined>;

  /** All entries whose key starts with `prefix`, in key order, as of one revision. */
  list(prefix: string, options?: ListOptions): Promise<RegistrySnapshot>;

  /**
   * Writes a key when `expect` holds. A `ttlSeconds` makes it expire; without, it is permanent.
   * A failed expectation is an answer, not an error.
   */
  put(key: string, value: string, options?: PutOptions): Promise<PutResult>;

  /** Removes a key when `expect` holds; false when it was absent or had another revision. */
  delete(key: string, options?: DeleteOptions): Promise<boolean>;

  /**
   * Gives an entry another key and another value in one step, when `from` has the revision `expect` and there is no
   * `to`: both changes have one revision, and nobody sees both keys or neither. `ttlSeconds` counts as for a put. When
   * it is not done, `current` is what is at `from`.
   */
  move(from: string, to: string, value: string, options: MoveOptions): Promise<PutResult>;

  /**
   * Seconds until a key expires, 0 for one that is about to; undefined when it never does, or is not there. With etcd it is
   * the cluster's clock that counts, not this host's.
   */
  remaining(key: string, options?: RequestOptions): Promise<number | undefined>;

  /**
   * Follows all keys that start with `prefix`: every change after revision `after`, in order, each once. Without
   * `after`, and whenever the past cannot be told any more (compaction, restored backup), a `snapshot` comes
   * first. Outages are bridged inside (back-off with jitter) and told as `state`. Ends only with the signal:
   * the iteration then finishes without an error.
   */
  watch(prefix: string, options: WatchOptions): AsyncIterable<RegistryEvent>;

  /** Ends everything under way; idempotent. */
  close(): Promise<void>;
}

/** A point in the store's history; grows with every change. */
export type Revision = bigint;

export interface RegistryEntry {
  readonly key: string;
  readonly value: string;
  /** Revision of the last change of this key. */
  readonly revision: Revision;
  /** True when the key never expires. */
  readonly permanent: boolean;
}

export interface RegistrySnapshot {
  readonly entries: readonly RegistryEntry[];
  /** The revision at which the list was true; watching after it misses nothing. */
  readonly revision: Revision;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ListOptions extends RequestOptions {
  /** Only entries that were written after this revision. What was deleted is not told. */
  readonly since?: Revision | undefined;
  /** Takes the entries as they are read, so that nobody holds them all; the snapshot then has none. */
  readonly onPage?: ((page: RegistryPage) => void) | undefined;
}

/** Some entries of a list. All pages together are in key order, and true as of one revision. */
export interface RegistryPage {
  readonly entries: readonly RegistryEntry[];
  /** The list begins, perhaps anew: what earlier pages told counts no more. */
  readonly first: boolean;
}

export interface PutOptions extends RequestOptions {
  /** `any` (default): whatever is there; `absent`: only create; a revision: only when unchanged since. */
  readonly expect?: 'any' | 'absent' | Revision | undefined;
  /** Whole seconds, at least 1. */
  readonly ttlSeconds?: number | undefined;
}

export interface DeleteOptions extends RequestOptions {
  readonly expect?: Revision | undefined;
}

export interface MoveOptions extends RequestOptions {
  readonly expect: Revision;
  readonly ttlSeconds?: number | undefined;
}

export type PutResult =
  /** Written. `ttlSeconds` is what the store granted, undefined for a permanent key. */
  | { readonly written: true; readonly revision: Revision; readonly ttlSeconds: number | undefined }
  /** Not written: the expectation failed; `current` is what is there instead (undefined: nothing). */
  | { readonly written: false; readonly current: RegistryEntry | undefined };

export interface WatchOptions {
  readonly signal: AbortSignal;
  readonly after?: Revision | undefined;
  /**
   * With `after`: the entry that was written last of those known, by which an engine whose store can be exchanged for
   * another of the same revisions knows it again.
   */
  readonly witness?: RegistryEntry | undefined;
}

export type RegistryEvent =
  | { readonly type: 'snapshot'; readonly entries: readonly RegistryEntry[]; readonly revision: Revision }
  | { readonly type: 'put'; readonly entry: RegistryEntry }
  | {
      readonly type: 'delete';
      readonly key: string;
      readonly revision: Revision;
      /** After a move within the prefix: the entry whose `put` follows, so that nothing need be given up in between. */
      readonly movedTo?: RegistryEntry | undefined;
    }
  /** The connection was lost (`cause` says how) or is there again. Data stays valid, only perhaps stale. */
  | { readonly type: 'state'; readonly connected: boolean; readonly cause?: Error | undefined };
