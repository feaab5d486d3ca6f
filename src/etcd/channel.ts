import { WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { connect } from './connect.ts';
import type { Connection } from './connection.ts';
import type { Endpoint } from './endpoint.ts';
import type { Call } from './grpc-call.ts';
import { orAborted, type Patience, within } from './patience.ts';
import { isEndpointFault } from './status.ts';
import { readSecureContext, type TlsFiles } from './tls.ts';

export interface ChannelOptions {
  readonly endpoints: readonly Endpoint[];
  /** Index of the endpoint to try first. */
  readonly first: number;
  readonly tls: TlsFiles;
  /** How long one request may take, all its attempts together. */
  readonly timeoutMs: number;
  readonly log: Log;
}

/**
 * All endpoints as one: calls go to the one that worked last, and on to the next when it does not.
 * A request that changes something is sent once only, because the first may have arrived.
 */
export class Channel {
  readonly #options: ChannelOptions;
  readonly #closing = new AbortController();
  readonly #open = new Set<Connection>();
  #at: number;
  #current: Promise<Connection> | undefined;
  /** What `#current` came to. */
  #latest: Connection | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#at = options.first % options.endpoints.length;
  }

  /**
   * One question and its answer.
   * @param options.repeatable whether it may be asked twice
   * @throws WeftError what etcd answered, or the last endpoint's failure; or the signal's reason
   */
  async unary(call: Call, options: Patience & { readonly repeatable: boolean }): Promise<Uint8Array> {
    const { repeatable, signal } = options;
    const deadlineMs = performance.now() + options.timeoutMs;
    const remainingMs = (): number => Math.max(1, Math.ceil(deadlineMs - performance.now()));
    for (let left = Math.max(2, this.#options.endpoints.length); ; left--) {
      const connection = await this.connection({ timeoutMs: remainingMs(), signal });
      const timeoutMs = repeatable ? Math.ceil(remainingMs() / left) : remainingMs();
      try {
        return await connection.unary(call, { timeoutMs, signal });
      } catch (error) {
        this.#closing.signal.throwIfAborted();
        if (signal?.aborted === true || !isEndpointFault(error)) throw error;
        this.leave(connection, error);
        if (!repeatable) throw uncertain(error);
        if (left === 1 || remainingMs() === 1) throw error;
      }
    }
  }

  /**
   * The connection in use, made if there is none.
   * @throws WeftError when no endpoint can be reached, in which case nothing was sent; or the signal's reason
   */
  async connection(patience: Patience): Promise<Connection> {
    const urls = this.#options.endpoints.map(endpoint => endpoint.url).join(', ');
    const late = (): Error =>
      new WeftError('etcd-timeout', `etcd ${urls}: no connection within ${patience.timeoutMs} ms`);
    return within(patience, late, async signal => {
      for (;;) {
        this.#closing.signal.throwIfAborted();
        this.#current ??= this.#connect();
        const current = this.#current;
        const connection = await orAborted(current, signal);
        if (connection.usable) return connection;
        if (this.#current === current) this.#current = undefined;
      }
    });
  }

  /** Makes the next call go to another endpoint. What is under way on this connection may go on. */
  leave(connection: Connection, cause: Error): void {
    if (connection !== this.#latest) return; // Others have left it before.
    this.#latest = undefined;
    this.#current = undefined;
    this.#next(cause);
  }

  /** Ends every connection; calls under way fail, later ones with `reason`. Idempotent. */
  async close(reason: Error): Promise<void> {
    this.#closing.abort(reason);
    await this.#current?.catch(() => {});
    for (const connection of this.#open) connection.close();
    await Promise.all(Array.from(this.#open, connection => connection.ended));
  }

  /** Shared by all who wait, so that many requests make one connection. */
  #connect(): Promise<Connection> {
    const connecting = this.#connectToAny();
    connecting.catch(() => {
      if (this.#current === connecting) this.#current = undefined;
    });
    return connecting;
  }

  async #connectToAny(): Promise<Connection> {
    const { endpoints, tls, timeoutMs } = this.#options;
    const failures: WeftError[] = [];
    for (let tries = 0; tries < endpoints.length; tries++) {
      const endpoint = this.#endpoint();
      try {
        const context = endpoint.secure ? await readSecureContext(tls) : undefined;
        // A fifth of the time is left for the request itself.
        const patience = {
          timeoutMs: Math.ceil((timeoutMs * 0.8) / endpoints.length),
          signal: this.#closing.signal,
        };
        return this.#keep(await connect(endpoint, { ...patience, context }));
      } catch (error) {
        this.#closing.signal.throwIfAborted();
        if (!isEndpointFault(error)) throw error;
        failures.push(error);
        this.#next(error);
      }
    }
    throw noneOf(failures);
  }

  #keep(connection: Connection): Connection {
    this.#open.add(connection);
    this.#latest = connection;
    void connection.ended.then(() => this.#open.delete(connection));
    if (this.#closing.signal.aborted) connection.close();
    return connection;
  }

  #endpoint(): Endpoint {
    const endpoint = this.#options.endpoints[this.#at];
    if (endpoint === undefined) throw new RangeError(`no endpoint ${this.#at}`);
    return endpoint;
  }

  #next(cause: Error): void {
    const { endpoints, log } = this.#options;
    this.#at = (this.#at + 1) % endpoints.length;
    if (endpoints.length > 1)
      log.debug({ err: cause, next: this.#endpoint().url }, 'trying the next etcd endpoint');
  }
}

/** Why none of the endpoints could be reached: the failure they share, or all of them. */
function noneOf(failures: readonly WeftError[]): WeftError {
  const [first, ...others] = failures;
  if (first !== undefined && others.length === 0) return first;
  const shared = others.every(other => other.code === first?.code) ? first?.code : undefined;
  const remedies = new Set(failures.flatMap(failure => failure.remedy ?? []));
  return new WeftError(
    shared ?? 'etcd-unreachable',
    `none of the etcd endpoints can be used: ${failures.map(failure => failure.message).join('; ')}`,
    { cause: new AggregateError(failures), remedy: [...remedies].join('; or ') || undefined },
  );
}

function uncertain(error: WeftError): WeftError {
  const message = `${error.message}; whether the change was made is not known`;
  return new WeftError(error.code, message, { cause: error, remedy: error.remedy });
}
