import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { WeftError } from '../base/errors.ts';
import type { Endpoint } from './endpoint.ts';
import { type Call, exchange, headersOf } from './grpc-call.ts';
import { type Patience, within } from './patience.ts';

/**
 * One HTTP/2 connection to one etcd member, speaking gRPC
 * (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 *
 * Specified by others: etcd ends a connection (GOAWAY, "too_many_pings") that pings more often than every five
 * seconds, or without a call under way (`--grpc-keepalive-min-time`, PermitWithoutStream off).
 * Chosen: a ping 5.2 s after the last answer that must be answered in 3 s, so that silence is noticed within 8.2 s; a connection
 * without calls is closed, because nobody may ping it.
 */
const pingIntervalMs = 5_200;
const pingTimeoutMs = 3_000;
const idleMs = 30_000;

export class Connection {
  readonly endpoint: Endpoint;
  /** Resolves when the connection has ended, whyever; never rejects. */
  readonly ended: Promise<void>;
  readonly #socket: Socket;
  readonly #session: http2.ClientHttp2Session;
  #pinger: NodeJS.Timeout;
  #idle: NodeJS.Timeout;
  #calls = 0;
  #failure: WeftError | undefined;

  /** Use `connect` of connect.ts. */
  constructor(endpoint: Endpoint, socket: Socket, session: http2.ClientHttp2Session) {
    this.endpoint = endpoint;
    this.#socket = socket;
    this.#session = session;
    this.ended = new Promise(resolve => session.once('close', () => resolve()));
    socket.once('error', () => this.close());
    session.once('goaway', code => {
      if (code !== http2.constants.NGHTTP2_NO_ERROR) this.#fail(this.#sentAway(code));
    });
    this.#pinger = this.#pingLater();
    this.#idle = this.#closeWhenIdle();
    session.once('close', () => {
      clearTimeout(this.#pinger);
      clearTimeout(this.#idle);
    });
  }

  /** False once no new call can be made. */
  get usable(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  /** Ends the connection and every call on it; idempotent. */
  close(): void {
    endSession(this.#session, this.#socket);
  }

  /**
   * A call with one answer.
   * @throws WeftError: `etcd-timeout`, `etcd-unreachable` when the connection broke, else what etcd answered
   */
  unary(call: Call, patience: Patience): Promise<Uint8Array> {
    const late = (): Error =>
      new WeftError('etcd-timeout', `${this.#naming(call)}: no answer within ${patience.timeoutMs} ms`, {
        remedy: 'see whether etcd hangs, has lost its quorum or has a slow disk',
      });
    // Tells etcd how long somebody waits, so that it does not work on for nobody.
    const metadata = { ...call.metadata, 'grpc-timeout': `${Math.ceil(patience.timeoutMs)}m` };
    return within(patience, late, async signal => {
      const answers: Uint8Array[] = [];
      for await (const answer of this.#exchange({ ...call, metadata }, signal, true)) answers.push(answer);
      const [answer, ...more] = answers;
      if (answer !== undefined && more.length === 0) return answer;
      throw new WeftError(
        'etcd-protocol',
        `${this.#naming(call)}: expected one answer, got ${answers.length}`,
      );
    });
  }

  /** A call whose answers go on until the signal aborts (its reason is thrown) or the reader leaves. */
  stream(call: Call, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    return this.#exchange(call, signal, false);
  }

  async *#exchange(call: Call, signal: AbortSignal, end: boolean): AsyncGenerator<Uint8Array, void, void> {
    signal.throwIfAborted();
    const naming = this.#naming(call);
    clearTimeout(this.#idle);
    this.#calls++;
    try {
      // Whoever reads gets the stream's error; it also comes when nobody reads any more.
      const stream = this.#session.request(headersOf(call), { endStream: false }).on('error', () => {});
      yield* exchange(call, { stream, naming, signal, end });
    } catch (cause) {
      signal.throwIfAborted();
      throw cause instanceof WeftError ? cause : (this.#failure ?? broken(naming, cause));
    } finally {
      this.#calls--;
      if (this.#calls === 0 && this.usable) this.#idle = this.#closeWhenIdle();
    }
  }

  #closeWhenIdle(): NodeJS.Timeout {
    return setTimeout(() => this.close(), idleMs).unref();
  }

  /** The keep-alive: while somebody waits, the other side must answer pings. */
  #ping(): void {
    if (this.#session.destroyed) return;
    if (this.#calls === 0) {
      this.#pinger = this.#pingLater();
      return;
    }
    const silent = setTimeout(() => this.#fail(this.#silent()), pingTimeoutMs);
    this.#session.ping(() => {
      clearTimeout(silent);
      if (!this.#session.destroyed) this.#pinger = this.#pingLater();
    });
  }

  /** Counted from the last answer: a ping that was late and a punctual one behind it would be too near for etcd. */
  #pingLater(): NodeJS.Timeout {
    return setTimeout(() => this.#ping(), pingIntervalMs).unref();
  }

  #fail(error: WeftError): void {
    this.#failure ??= error;
    this.close();
  }

  #silent(): WeftError {
    const message = `etcd ${this.endpoint.url}: a keep-alive ping was not answered within ${pingTimeoutMs} ms`;
    return new WeftError('etcd-timeout', message, {
      remedy: 'see whether etcd hangs, or the way to it is cut',
    });
  }

  #sentAway(code: number): WeftError {
    const message = `etcd ${this.endpoint.url} ended the connection with HTTP/2 error ${code}`;
    const remedy = 'leave --grpc-keepalive-min-time of etcd at its default of 5s';
    const tooManyPings = code === http2.constants.NGHTTP2_ENHANCE_YOUR_CALM;
    return new WeftError('etcd-unreachable', message, { remedy: tooManyPings ? remedy : undefined });
  }

  #naming(call: Call): string {
    return `etcd ${this.endpoint.url} ${call.path.replace(/^.*\./, '')}`;
  }
}

function broken(naming: string, cause: unknown): WeftError {
  const message = `${naming}: the connection broke before the answer was there`;
  return new WeftError('etcd-unreachable', message, { cause, remedy: 'see whether etcd runs, and its log' });
}

/**
 * Ends both: a session that is already closing would leave a silent peer's socket open, and one with a broken
 * socket never says that it is closed.
 */
export function endSession(session: http2.ClientHttp2Session, socket: Socket): void {
  session.destroy();
  socket.destroy();
}
