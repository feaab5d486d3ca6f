import { hasCode, WeftError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import { Channel } from './channel.ts';
import { type Endpoint, parseEndpoints } from './endpoint.ts';
import type * as kv from './kv-messages.ts';
import type * as lease from './lease-messages.ts';
import { orAborted } from './patience.ts';
import * as rpcs from './rpc.ts';
import { isEndpointFault } from './status.ts';
import { isTlsConfigured, type TlsFiles } from './tls.ts';
import { Tokens } from './tokens.ts';
import { watchOn } from './watch.ts';
import type { WatchCreateRequest, WatchResponse } from './watch-messages.ts';

export interface EtcdOptions {
  /** `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`; see endpoint.ts. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsFiles | undefined;
  /** Whom to be for an etcd with authentication. */
  readonly user?: Credentials | undefined;
  /** How long a request may take in all; 5 seconds unless given. */
  readonly timeoutMs?: number | undefined;
  /** Uniform in [0, 1): which endpoint to begin with, so that many hosts spread over all members. */
  readonly random?: (() => number) | undefined;
  readonly log?: Log | undefined;
}

export interface Credentials {
  readonly name: string;
  readonly password: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A client of etcd's version 3 API. Nothing is connected before the first request, and everything ends with
 * `close()`.
 * @throws WeftError `etcd-endpoint-invalid`
 */
export function openEtcd(options: EtcdOptions): EtcdClient {
  const { tls = {}, user, log = silentLog } = options;
  const endpoints = parseEndpoints(options.endpoints, { tlsConfigured: isTlsConfigured(tls) });
  for (const { url } of endpoints.filter(endpoint => !endpoint.secure)) {
    if (isTlsConfigured(tls))
      log.warn({ endpoint: url }, 'certificates are given, but http:// means clear text');
    if (user !== undefined) log.warn({ endpoint: url }, 'the etcd password is sent in clear text');
  }
  return new EtcdClient(endpoints, options);
}

/**
 * Every request is answered or fails within the time-out, whatever the network does; a silent connection is
 * noticed within ten seconds. All methods throw WeftError:
 *
 * | code | meaning |
 * |---|---|
 * | `etcd-unreachable` | nobody listens, no way there, or the connection broke |
 * | `etcd-timeout` | somebody is there, but silent |
 * | `etcd-unavailable` | etcd answers that it cannot serve now: no leader, too busy |
 * | `etcd-tls` | TLS spoken on one side only, or a certificate that one side does not accept |
 * | `etcd-auth` | wrong user or password, or none where one is needed |
 * | `etcd-permission` | the user may not do this |
 * | `etcd-compacted` | the revision asked for is gone |
 * | `etcd-future` | the revision asked for is still to come |
 * | `etcd-nospace` | etcd's quota is used up |
 * | `etcd-lease-missing` | there is no such lease |
 * | `etcd-protocol` | what answers is not etcd version 3 |
 * | `etcd-refused` | any other refusal; the message has etcd's words |
 * | `etcd-closed` | the client was closed |
 */
export class EtcdClient {
  /** The endpoints, for messages. */
  readonly name: string;
  readonly #timeoutMs: number;
  readonly #channel: Channel;
  readonly #tokens: Tokens;

  /** Use {@link openEtcd}. */
  constructor(endpoints: readonly Endpoint[], options: EtcdOptions) {
    const { tls = {}, user, timeoutMs = 5_000, random = Math.random, log = silentLog } = options;
    this.name = endpoints.map(endpoint => endpoint.url).join(',');
    this.#timeoutMs = timeoutMs;
    const first = Math.floor(random() * endpoints.length);
    this.#channel = new Channel({ endpoints, first, tls, timeoutMs, log });
    this.#tokens = new Tokens(user === undefined ? undefined : () => this.#authenticate(user));
  }

  range(request: kv.RangeRequest, options?: CallOptions): Promise<kv.RangeResponse> {
    return this.#call(rpcs.rangeRpc, request, options);
  }

  put(request: kv.PutRequest, options?: CallOptions): Promise<kv.PutResponse> {
    return this.#call(rpcs.putRpc, request, options);
  }

  deleteRange(request: kv.DeleteRangeRequest, options?: CallOptions): Promise<kv.DeleteRangeResponse> {
    return this.#call(rpcs.deleteRangeRpc, request, options);
  }

  txn(request: kv.TxnRequest, options?: CallOptions): Promise<kv.TxnResponse> {
    return this.#call(rpcs.txnRpc, request, options);
  }

  leaseGrant(request: lease.LeaseGrantRequest, options?: CallOptions): Promise<lease.LeaseGrantResponse> {
    return this.#call(rpcs.leaseGrantRpc, request, options);
  }

  leaseRevoke(request: lease.LeaseRevokeRequest, options?: CallOptions): Promise<lease.LeaseRevokeResponse> {
    return this.#call(rpcs.leaseRevokeRpc, request, options);
  }

  leaseTimeToLive(
    request: lease.LeaseTimeToLiveRequest,
    options?: CallOptions,
  ): Promise<lease.LeaseTimeToLiveResponse> {
    return this.#call(rpcs.leaseTimeToLiveRpc, request, options);
  }

  /**
   * Follows a range of keys on one connection: first a response with `created`, then the changes. Whoever reads
   * may leave at any time.
   * @throws WeftError however it ends, `etcd-compacted` when the start revision is gone; or the signal's reason
   */
  async *watch(
    request: WatchCreateRequest,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<WatchResponse, void, void> {
    const { signal } = options;
    const timeoutMs = this.#timeoutMs;
    for (let attempt = 1; ; attempt++) {
      const token = await orAborted(this.#tokens.get(), signal);
      const connection = await this.#channel.connection({ timeoutMs, signal });
      let created = false;
      try {
        for await (const response of watchOn(connection, request, { token, signal, timeoutMs })) {
          created = true;
          yield response;
        }
      } catch (error) {
        if (!signal.aborted && isEndpointFault(error)) this.#channel.leave(connection, error);
        if (created || attempt > 1 || !this.#mayBeStale(error, token)) throw error;
      }
    }
  }

  /** Ends every request, watch and connection; resolves when nothing is left open. Idempotent. */
  async close(): Promise<void> {
    await this.#channel.close(new WeftError('etcd-closed', `the etcd client of ${this.name} was closed`));
  }

  async #call<Request, Response>(
    rpc: rpcs.Rpc<Request, Response>,
    request: Request,
    { signal }: CallOptions = {},
  ): Promise<Response> {
    signal?.throwIfAborted();
    const message = rpc.encode(request);
    const deadlineMs = performance.now() + this.#timeoutMs;
    for (let attempt = 1; ; attempt++) {
      const token = await orAborted(this.#tokens.get(), signal);
      const patience = { timeoutMs: Math.max(1, deadlineMs - performance.now()), signal };
      try {
        const call = { path: rpc.path, message, token };
        return rpc.decode(await this.#channel.unary(call, { ...patience, repeatable: rpc.repeatable }));
      } catch (error) {
        // Who is refused for the token's sake has changed nothing, so this is safe for every request.
        if (attempt > 1 || !hasCode(error, 'etcd-auth') || !this.#tokens.refuse(token)) throw error;
      }
    }
  }

  async #authenticate(user: Credentials): Promise<string> {
    const { path, encode, decode } = rpcs.authenticateRpc;
    const message = encode({ user: user.name, password: user.password });
    const patience = { timeoutMs: this.#timeoutMs, repeatable: true };
    return decode(await this.#channel.unary({ path, message, token: undefined }, patience)).token;
  }

  /** etcd 3.4 calls a watch with a forgotten token a matter of permission. */
  #mayBeStale(error: unknown, token: string | undefined): boolean {
    const refused = hasCode(error, 'etcd-auth') || hasCode(error, 'etcd-permission');
    return refused && this.#tokens.refuse(token);
  }
}
