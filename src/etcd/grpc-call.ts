import http2 from 'node:http2';
import { hasCode, WeftError } from '../base/errors.ts';
import { frameMessage, MessageFramer } from './grpc-frames.ts';
import { type GrpcStatus, grpcCode, statusError } from './status.ts';

/** A page of leases is near 1 MB, a fragment of a watch response below 3 MB. */
const maxMessageBytes = 64 * 1024 * 1024;

export interface Call {
  /** `/etcdserverpb.KV/Range`. */
  readonly path: string;
  readonly message: Uint8Array;
  /** The user's token. */
  readonly token: string | undefined;
  /** Further request metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How a call is sent: on which stream, until when, and under which name it is spoken of. */
export interface CallContext {
  readonly stream: http2.ClientHttp2Stream;
  /** `etcd http://127.0.0.1:2379 KV/Range`. */
  readonly naming: string;
  /** Ends the call; its reason is thrown. */
  readonly signal: AbortSignal;
  /** Whether to say that nothing follows our message. */
  readonly end: boolean;
}

/** The headers of a call, by gRPC's HTTP/2 mapping; `token` is etcd's own. */
export function headersOf(call: Call): http2.OutgoingHttpHeaders {
  return {
    ':method': 'POST',
    ':path': call.path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'user-agent': 'weft',
    ...(call.token === undefined ? {} : { token: call.token }),
    ...call.metadata,
  };
}

/**
 * Sends the message of a call and gives the answers. The reader may leave at any time.
 * @throws WeftError for another status than OK, `etcd-protocol` for what is not gRPC; the signal's reason; or the
 *   stream's own error, which means that the connection broke
 */
export async function* exchange(
  call: Call,
  { stream, naming, signal, end }: CallContext,
): AsyncGenerator<Uint8Array, void, void> {
  const outcome = followOutcome(stream);
  const abort = (): void => cancel(stream);
  signal.addEventListener('abort', abort, { once: true });
  try {
    stream.write(frameMessage(call.message));
    if (end) stream.end();
    const framer = new MessageFramer(maxMessageBytes);
    for await (const chunk of stream) yield* framer.push(chunk);
    const { status, httpStatus } = await outcome();
    if (httpStatus !== undefined && httpStatus !== 200) throw notGrpc(`HTTP status ${httpStatus}`);
    if (status === undefined) throw new Error('the answer has no status');
    if (status.code !== grpcCode.ok) throw statusError(naming, status);
    if (!framer.atBoundary) throw notGrpc('an end within a message');
  } catch (cause) {
    signal.throwIfAborted();
    throw hasCode(cause, 'etcd-protocol') ? misunderstood(naming, cause) : cause;
  } finally {
    signal.removeEventListener('abort', abort);
    cancel(stream);
  }
}

function misunderstood(naming: string, cause: WeftError): WeftError {
  const message = `${naming}: ${cause.message}`;
  return new WeftError(cause.code, message, { cause, remedy: cause.remedy ?? 'correct -etcd-endpoints' });
}

interface Outcome {
  status?: GrpcStatus;
  httpStatus?: number;
}

/** Collects how a call ends; the result waits for the end. A status is missing when the connection broke. */
function followOutcome(stream: http2.ClientHttp2Stream): () => Promise<Outcome> {
  const outcome: Outcome = {};
  const take = (headers: http2.IncomingHttpHeaders): void => {
    const code = headers['grpc-status'];
    if (code !== undefined)
      outcome.status = { code: Number(code), message: decodeMessage(headers['grpc-message']) };
  };
  stream.once('response', headers => {
    outcome.httpStatus = Number(headers[':status']);
    take(headers); // A refusal comes without a body, and its status in the first headers.
    if (outcome.httpStatus !== 200) stream.destroy(notGrpc(`HTTP status ${outcome.httpStatus}`));
  });
  stream.once('trailers', take);
  const ended = new Promise<void>(resolve => stream.once('close', resolve));
  return async () => {
    if (outcome.status === undefined) await ended;
    return outcome;
  };
}

function notGrpc(found: string): WeftError {
  return new WeftError('etcd-protocol', `expected gRPC, got ${found}`);
}

/** grpc-message is percent-encoded UTF-8; what is not stays as it came. */
function decodeMessage(text: string | string[] | undefined): string {
  try {
    return decodeURIComponent(String(text ?? ''));
  } catch {
    return String(text);
  }
}

function cancel(stream: http2.ClientHttp2Stream): void {
  if (!stream.closed) stream.close(http2.constants.NGHTTP2_CANCEL);
  stream.destroy();
}
