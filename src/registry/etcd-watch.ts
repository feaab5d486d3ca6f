import { type Backoff, backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import type { EtcdClient } from '../etcd/client.ts';
import type { WatchEvent, WatchResponse } from '../etcd/watch-messages.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import { listEtcd } from './etcd-list.ts';
import { EtcdPast } from './etcd-past.ts';
import type { RegistryEvent, Revision, WatchOptions } from './registry.ts';

/** Between two attempts to watch, as flannel waits. */
const backoff: Backoff = { firstMs: 100, maxMs: 5_000 };

export interface EtcdWatchOptions {
  readonly client: EtcdClient;
  readonly keys: EtcdKeys;
  readonly clock: Clock;
  readonly random: () => number;
}

/** `Registry.watch` over etcd: follows the changes, and when that ends does so anew, for ever. */
export async function* watchEtcd(
  options: EtcdWatchOptions,
  prefix: string,
  { signal, after, witness }: WatchOptions,
): AsyncGenerator<RegistryEvent, void, void> {
  const { clock, random } = options;
  const follower = new Follower(options, prefix, { after, witness });
  let outage: Error | undefined;
  for (let attempt = 0; !signal.aborted; ) {
    const startedMs = clock.monotonicMs();
    try {
      for await (const event of follower.follow(signal)) {
        if (signal.aborted) return;
        if (outage !== undefined) yield { type: 'state', connected: true };
        outage = undefined;
        if (event !== 'connected') yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      const cause = error instanceof Error ? error : new Error(String(error));
      if (!isTold(outage, cause)) yield { type: 'state', connected: false, cause };
      outage = cause;
    }
    // What held for long and then broke may be tried again at once.
    if (clock.monotonicMs() - startedMs > backoff.maxMs) attempt = 0;
    if (outage !== undefined || attempt > 0) {
      await clock.sleep(backoffMs(backoff, attempt, random()), { signal }).catch(() => {});
    }
    attempt++;
  }
}

/** A new cause of the same outage is worth telling: nobody listens, and then the password is wrong. */
function isTold(outage: Error | undefined, cause: Error): boolean {
  return outage !== undefined && codeOf(outage) === codeOf(cause);
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : error.name;
}

/** Where a watch stands: up to which revision everything was told, and of which etcd. */
class Follower {
  readonly #options: EtcdWatchOptions;
  readonly #prefix: string;
  readonly #past = new EtcdPast();
  /** Undefined when what came before can only be told by a list. */
  #position: Revision | undefined;
  /** Somebody has just read all up to the position: what came and went before it need not be told. */
  #justRead: boolean;
  #clusterId: bigint | undefined;

  constructor(
    options: EtcdWatchOptions,
    prefix: string,
    { after, witness }: Pick<WatchOptions, 'after' | 'witness'>,
  ) {
    this.#options = options;
    this.#prefix = prefix;
    this.#position = after;
    this.#justRead = witness !== undefined;
    if (witness !== undefined) this.#past.note({ type: 'put', entry: witness });
  }

  /** A snapshot if need be, then each change once. Ends when the next must be a snapshot; throws when cut off. */
  async *follow(signal: AbortSignal): AsyncGenerator<RegistryEvent | 'connected', void, void> {
    const { client, keys } = this.#options;
    const range = keys.rangeOf(this.#prefix);
    try {
      const position = (await this.#resumption(signal)) ?? (yield* this.#snapshot(signal));
      const request = { ...range, startRevision: position + 1n, progressNotify: true };
      for await (const response of client.watch(request, { signal })) {
        if (await this.#isOtherHistory(response, signal)) break;
        if (response.created) yield 'connected';
        yield* this.#advance(response);
      }
    } catch (error) {
      if (!hasCode(error, 'etcd-compacted')) throw error;
    }
    this.#position = undefined;
  }

  /**
   * After which revision to go on, or undefined to begin anew. It is the last change told, not the last revision known:
   * in between nothing has happened here, but may have in another past that is the same up to that change.
   */
  async #resumption(signal: AbortSignal): Promise<Revision | undefined> {
    if (this.#position === undefined) return undefined;
    const { client, keys } = this.#options;
    if (!(await this.#past.isThatOf(client, keys, { signal }))) return undefined;
    if (!this.#justRead) this.#position = this.#past.revision ?? this.#position;
    this.#justRead = false;
    return this.#position;
  }

  async *#snapshot(signal: AbortSignal): AsyncGenerator<RegistryEvent, Revision, void> {
    const { client, keys } = this.#options;
    const snapshot = await listEtcd(client, keys, this.#prefix, { signal });
    this.#position = snapshot.revision;
    const event: RegistryEvent = { type: 'snapshot', ...snapshot };
    this.#past.note(event);
    yield event;
    return snapshot.revision;
  }

  /**
   * True when etcd is behind what was told, or another one: a backup was restored. A member may also be behind
   * the others for a moment; a read that all of them agree on tells.
   */
  async #isOtherHistory({ created, header }: WatchResponse, signal: AbortSignal): Promise<boolean> {
    const other = this.#clusterId !== undefined && this.#clusterId !== header.clusterId;
    this.#clusterId = header.clusterId;
    const position = this.#position ?? 0n;
    if (other || !created || header.revision >= position) return other;
    const { client, keys } = this.#options;
    const agreed = await client.range({ ...keys.rangeOf(this.#prefix), countOnly: true }, { signal });
    return agreed.header.revision < position;
  }

  /**
   * The changes of one response. While etcd catches up, its header is ahead of its events, so only a response
   * without any (progress) tells that all up to the header's revision was told.
   */
  *#advance({ created, header, events }: WatchResponse): Generator<RegistryEvent, void, void> {
    const last = events.at(-1)?.kv.modRevision;
    if (last !== undefined || !created) this.#position = last ?? header.revision;
    const told = events.map((event, index) => this.#eventOf(event, events[index + 1]));
    for (const event of told) this.#past.note(event);
    yield* told;
  }

  /** A key that goes where another comes, in one transaction, has moved. */
  #eventOf({ type, kv }: WatchEvent, next: WatchEvent | undefined): RegistryEvent {
    const { keys } = this.#options;
    if (type === 'put') return { type, entry: keys.entryOf(kv) };
    const gone: RegistryEvent = { type, key: keys.keyOf(kv.key), revision: kv.modRevision };
    const moved = next?.type === 'put' && next.kv.modRevision === kv.modRevision;
    return moved ? { ...gone, movedTo: keys.entryOf(next.kv) } : gone;
  }
}
