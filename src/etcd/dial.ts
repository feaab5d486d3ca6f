import net from 'node:net';
import tls from 'node:tls';
import type { Endpoint } from './endpoint.ts';
import { orAborted } from './patience.ts';

/** How far the way to an endpoint was gone, for messages. */
export type Stage = 'TCP connection' | 'TLS handshake' | 'HTTP/2 handshake';

/**
 * Connects by TCP and, given a context, speaks TLS on it, verifying the server's certificate.
 * A name is looked up by the system's resolver; an address needs none.
 * @param reached told each stage when it begins
 * @throws the socket's error, or the signal's reason; nothing stays open then
 */
export async function dial(
  endpoint: Endpoint,
  options: {
    readonly context: tls.SecureContext | undefined;
    readonly signal: AbortSignal;
    readonly reached: (stage: Stage) => void;
  },
): Promise<net.Socket> {
  options.reached('TCP connection');
  const { host, port } = endpoint;
  const socket = net.connect({ host, port, noDelay: true });
  await settled(socket, 'connect', options.signal);
  if (options.context === undefined) return socket;
  options.reached('TLS handshake');
  return encrypt(socket, endpoint, { secureContext: options.context }, options.signal);
}

/**
 * Whether TLS is spoken at the endpoint, told by trying: for the message when clear text was not understood.
 * The certificate is not verified, and nothing is sent.
 */
export async function speaksTls(endpoint: Endpoint, signal: AbortSignal): Promise<boolean> {
  const { host, port } = endpoint;
  const socket = net.connect({ host, port });
  try {
    await settled(socket, 'connect', signal);
    await encrypt(socket, endpoint, { rejectUnauthorized: false }, signal).then(secured => secured.destroy());
    return true;
  } catch (error) {
    return isTlsAlert(error);
  } finally {
    socket.destroy();
  }
}

/** True when the other side ended TLS with an alert, as it does when it misses a client certificate. */
export function isTlsAlert(error: unknown): boolean {
  return error instanceof Error && /\balert\b/i.test(error.message) && 'library' in error;
}

function encrypt(
  socket: net.Socket,
  endpoint: Endpoint,
  options: tls.ConnectionOptions,
  signal: AbortSignal,
): Promise<tls.TLSSocket> {
  const { host } = endpoint;
  // RFC 6066 section 3: an address is no server name; it is verified all the same, by `host`.
  const servername = net.isIP(host) === 0 ? { servername: host } : {};
  const secured = tls.connect({ socket, host, ...servername, ALPNProtocols: ['h2'], ...options });
  return settled(secured, 'secureConnect', signal);
}

/** The socket once it says `event`; destroyed on every other outcome. */
async function settled<T extends net.Socket>(socket: T, event: string, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const close = (): void => reject(new Error('the other side closed the connection'));
  socket.once(event, () => resolve(socket)).once('close', close);
  socket.on('error', reject);
  try {
    return await orAborted(promise, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    socket.off('close', close);
  }
}
