import http2 from 'node:http2';
import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { WeftError } from '../base/errors.ts';
import { Connection, endSession } from './connection.ts';
import { dial, type Stage, speaksTls } from './dial.ts';
import { dialError } from './dial-error.ts';
import type { Endpoint } from './endpoint.ts';
import { orAborted, type Patience, within } from './patience.ts';

/** HTTP/2's 64 KiB would cost a round trip for each; these let a page arrive in one. */
const windowBytes = 4 * 1024 * 1024;

/**
 * Connects. @throws WeftError `etcd-unreachable`, `etcd-timeout`, `etcd-tls` or `etcd-protocol`, or the signal's
 * reason; nothing stays open then
 */
export async function connect(
  endpoint: Endpoint,
  options: Patience & { readonly context: SecureContext | undefined },
): Promise<Connection> {
  let stage: Stage = 'TCP connection';
  const reached = (next: Stage): void => {
    stage = next;
  };
  const late = (): Error =>
    new WeftError('etcd-timeout', `etcd ${endpoint.url}: no ${stage} within ${options.timeoutMs} ms`, {
      remedy: 'see whether etcd hangs there, and whether a firewall drops the way to it',
    });
  return within(options, late, async signal => {
    try {
      const socket = await dial(endpoint, { context: options.context, signal, reached });
      reached('HTTP/2 handshake');
      return new Connection(endpoint, socket, await openSession(endpoint, socket, signal));
    } catch (cause) {
      signal.throwIfAborted();
      const clear = stage === 'HTTP/2 handshake' && !endpoint.secure;
      throw dialError({ endpoint, stage, cause, speaksTls: clear && (await speaksTls(endpoint, signal)) });
    }
  });
}

/** The session once the other side's settings are there, which is when it has shown to speak HTTP/2. */
async function openSession(
  endpoint: Endpoint,
  socket: Socket,
  signal: AbortSignal,
): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`${endpoint.secure ? 'https' : 'http'}://${authority(endpoint)}`, {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: windowBytes },
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  session.once('remoteSettings', () => resolve());
  session.on('error', reject).once('close', () => reject(new Error('the other side closed the connection')));
  // A TLS alert after the handshake, as TLS 1.3 has it, reaches the socket and not the session (Node 26).
  socket.once('error', reject);
  try {
    await orAborted(promise, signal);
    session.setLocalWindowSize(4 * windowBytes);
    return session;
  } catch (error) {
    endSession(session, socket);
    throw error;
  }
}

function authority({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
