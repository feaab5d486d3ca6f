import { WeftError } from '../base/errors.ts';
import type { Connection } from './connection.ts';
import { watchPath } from './rpc.ts';
import { statusError } from './status.ts';
import {
  decodeWatchResponse,
  encodeWatchCreateRequest,
  type WatchCreateRequest,
  type WatchResponse,
} from './watch-messages.ts';

export interface WatchAttempt {
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  /** How long etcd may take to say that the watch exists. */
  readonly timeoutMs: number;
}

/**
 * One watch on one connection: the response that says it is created, then every change. Large responses come in
 * fragments and are put together here, so that a revision is told as a whole. A member that has lost its leader
 * ends the watch (`hasleader`), because it would tell nothing.
 * @throws WeftError `etcd-compacted` when the start revision is gone; `etcd-permission`, `etcd-auth`,
 *   `etcd-unavailable`, `etcd-unreachable`, `etcd-timeout`; or the signal's reason
 */
export async function* watchOn(
  connection: Connection,
  request: WatchCreateRequest,
  attempt: WatchAttempt,
): AsyncGenerator<WatchResponse, void, void> {
  const where = `etcd ${connection.endpoint.url} Watch`;
  const { signal, timeoutMs } = attempt;
  const controller = new AbortController();
  const late = (): void =>
    controller.abort(new WeftError('etcd-timeout', `${where}: not created within ${timeoutMs} ms`));
  const timer = setTimeout(late, timeoutMs);
  const forward = (): void => controller.abort(signal.reason);
  signal.addEventListener('abort', forward, { once: true });
  if (signal.aborted) forward();
  try {
    const call = {
      path: watchPath,
      message: encodeWatchCreateRequest(request),
      token: attempt.token,
      metadata: { hasleader: 'true' },
    };
    for await (const response of wholeResponses(connection.stream(call, controller.signal))) {
      clearTimeout(timer);
      if (response.canceled) throw cancelError(where, response);
      yield response;
    }
    throw new WeftError('etcd-unavailable', `${where}: etcd ended the watch`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', forward);
  }
}

async function* wholeResponses(stream: AsyncIterable<Uint8Array>): AsyncGenerator<WatchResponse, void, void> {
  let earlier: WatchResponse['events'] = [];
  for await (const bytes of stream) {
    const response = decodeWatchResponse(bytes);
    const events = [...earlier, ...response.events];
    earlier = response.fragment ? events : [];
    if (!response.fragment) yield { ...response, events };
  }
}

function cancelError(where: string, response: WatchResponse): WeftError {
  const { compactRevision, cancelReason } = response;
  if (compactRevision === 0n) return statusError(where, { code: 0, message: cancelReason });
  return new WeftError(
    'etcd-compacted',
    `${where}: the revision to start from is compacted away; the oldest is ${compactRevision}`,
  );
}
