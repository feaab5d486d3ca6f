import type { Clock } from '../base/clock.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type EtcdClient, openEtcd } from '../etcd/client.ts';
import type { Compare, RequestOp, TxnRequest, TxnResponse } from '../etcd/kv-messages.ts';
import { EtcdKeys } from './etcd-keys.ts';
import { listEtcd } from './etcd-list.ts';
import { watchEtcd } from './etcd-watch.ts';
import { checkTtl } from './put-rules.ts';
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

/** flanneld's etcd flags; an empty text counts as not given. */
export interface EtcdRegistryOptions {
  readonly endpoints: readonly string[];
  /** The network's key in etcd, `/coreos.com/network`; a trailing slash is dropped. */
  readonly prefix: string;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly clock: Clock;
  /** Uniform in [0, 1): jitter of the back-off, and the endpoint to begin with. */
  readonly random: () => number;
  readonly log?: Log | undefined;
  /** How long a request may take; 5 seconds unless given. */
  readonly timeoutMs?: number | undefined;
}

/**
 * A registry in etcd, key by key as flannel keeps it. Opening checks the options only and connects to nobody: a
 * daemon may start before its etcd. The first request connects, and says what is wrong.
 * @throws WeftError `etcd-endpoint-invalid`
 */
export function openEtcdRegistry(options: EtcdRegistryOptions): Registry {
  return new EtcdRegistry(options);
}

class EtcdRegistry implements Registry {
  readonly name: string;
  readonly #options: EtcdRegistryOptions;
  readonly #client: EtcdClient;
  readonly #keys: EtcdKeys;
  readonly #closing = new AbortController();

  constructor(options: EtcdRegistryOptions) {
    const { endpoints, username = '', password = '', timeoutMs, random, log } = options;
    const user = username === '' ? undefined : { name: username, password };
    this.#options = options;
    this.#client = openEtcd({ endpoints, tls: options, user, timeoutMs, random, log });
    this.#keys = new EtcdKeys(options.prefix);
    this.name = `etcd ${this.#client.name}${this.#keys.base}`.replace(/\/$/, '');
  }

  async get(key: string, options: RequestOptions = {}): Promise<RegistryEntry | undefined> {
    this.#assertOpen();
    const { kvs } = await this.#client.range({ key: this.#keys.bytesOf(key) }, options);
    return kvs[0] === undefined ? undefined : this.#keys.entryOf(kvs[0]);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<RegistrySnapshot> {
    this.#assertOpen();
    return listEtcd(this.#client, this.#keys, prefix, options);
  }

  async put(key: string, value: string, options: PutOptions = {}): Promise<PutResult> {
    const bytes = this.#keys.bytesOf(key);
    const compare = comparesOf(bytes, options.expect);
    // Reading is asked for only where an expectation may fail: it needs a permission of its own.
    return await this.#write(
      { key: bytes, value, compare, read: compare.length > 0 ? bytes : undefined },
      options,
    );
  }

  async move(from: string, to: string, value: string, options: MoveOptions): Promise<PutResult> {
    const [gone, key] = [this.#keys.bytesOf(from), this.#keys.bytesOf(to)];
    const compare = [...comparesOf(gone, options.expect), ...comparesOf(key, 'absent')];
    return await this.#write({ key, value, compare, read: gone, gone }, options);
  }

  async delete(key: string, options: DeleteOptions = {}): Promise<boolean> {
    this.#assertOpen();
    const range = { key: this.#keys.bytesOf(key) };
    if (options.expect === undefined) {
      const { deleted } = await this.#client.deleteRange(range, options);
      return deleted > 0n;
    }
    const compare = comparesOf(range.key, options.expect);
    const request = { compare, success: [{ type: 'deleteRange', request: range }] } as const;
    return (await this.#client.txn(request, options)).succeeded;
  }

  async remaining(key: string, options: RequestOptions = {}): Promise<number | undefined> {
    this.#assertOpen();
    const { kvs } = await this.#client.range({ key: this.#keys.bytesOf(key) }, options);
    const id = kvs[0]?.lease ?? 0n;
    if (id === 0n) return undefined;
    return (await this.#client.leaseTimeToLive({ id }, options)).remainingSeconds;
  }

  watch(prefix: string, options: WatchOptions): AsyncIterable<RegistryEvent> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const { clock, random } = this.#options;
    return watchEtcd({ client: this.#client, keys: this.#keys, clock, random }, prefix, {
      ...options,
      signal,
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client.close();
  }

  /** A put as one step with its expectation. An etcd lease that came to nothing is given back. */
  async #write(write: Write, options: RequestOptions & Pick<PutOptions, 'ttlSeconds'>): Promise<PutResult> {
    const ttlSeconds = checkTtl(options.ttlSeconds);
    this.#assertOpen();
    const granted =
      ttlSeconds === undefined ? undefined : await this.#client.leaseGrant({ ttlSeconds }, options);
    try {
      const answer = await this.#client.txn(requestOf(write, granted?.id), options);
      const { revision } = answer.header;
      if (answer.succeeded) return { written: true, revision, ttlSeconds: granted?.ttlSeconds };
      await this.#giveBack(granted?.id);
      return { written: false, current: this.#found(answer) };
    } catch (error) {
      if (isRefusal(error)) await this.#giveBack(granted?.id);
      throw error;
    }
  }

  #found({ responses: [response] }: TxnResponse): RegistryEntry | undefined {
    const kv = response?.type === 'range' ? response.response.kvs[0] : undefined;
    return kv === undefined ? undefined : this.#keys.entryOf(kv);
  }

  /** What cannot be revoked now expires with its TTL, and holds no key. */
  async #giveBack(lease: bigint | undefined): Promise<void> {
    if (lease === undefined) return;
    await this.#client.leaseRevoke({ id: lease }).catch((cause: unknown) => {
      this.#options.log?.debug({ err: cause, lease: String(lease) }, 'an unused etcd lease was not revoked');
    });
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) {
      throw new WeftError('registry-closed', `the registry ${this.name} was closed`);
    }
  }
}

interface Write {
  readonly key: Uint8Array;
  readonly value: string;
  readonly compare: readonly Compare[];
  /** What to tell of when that does not hold. */
  readonly read: Uint8Array | undefined;
  /** The key that goes; first, so that a flanneld that watches does not take its end for that of the new one. */
  readonly gone?: Uint8Array;
}

function requestOf({ key, value, compare, read, gone }: Write, lease: bigint | undefined): TxnRequest {
  const put: RequestOp = { type: 'put', request: { key, value: new TextEncoder().encode(value), lease } };
  return {
    compare,
    success: gone === undefined ? [put] : [{ type: 'deleteRange', request: { key: gone } }, put],
    failure: read === undefined ? [] : [{ type: 'range', request: { key: read } }],
  };
}

function comparesOf(key: Uint8Array, expect: PutOptions['expect']): Compare[] {
  if (expect === undefined || expect === 'any') return [];
  if (expect === 'absent') return [{ key, target: 'version', result: 'equal', value: 0n }];
  return [{ key, target: 'modRevision', result: 'equal', value: expect }];
}

/** True when etcd surely said no: nothing was written, and the lease holds no key. After silence it may hold one. */
function isRefusal(error: unknown): boolean {
  return ['etcd-auth', 'etcd-permission', 'etcd-nospace'].some(code => hasCode(error, code));
}
