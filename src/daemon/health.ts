import type { Server } from 'node:http';
import { WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { createServer } from '../control/http.ts';

/** What /readyz asks. */
export interface Readiness {
  readonly ready: boolean;
  /** What is missing, when not ready. */
  readonly reason: string;
}

/**
 * Serves flannel's two questions: /healthz (always "flanneld is running") and /readyz (200 or 503, by `readiness`).
 * @throws WeftError `health-listen`
 */
export async function serveHealth(
  address: { readonly ip: string; readonly port: number },
  readiness: () => Readiness,
  log: Log,
): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = answerTo(request.url ?? '/', readiness);
    response.writeHead(answer.status, { 'content-type': 'text/plain; charset=utf-8' });
    response.end(request.method === 'HEAD' ? undefined : answer.text);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(address.port, address.ip, resolve);
    });
    // Such as EMFILE when a connection is taken: no reason to end the network.
    server.on('error', error => log.warn({ error }, 'the health listener had a problem'));
    return server;
  } catch (cause) {
    throw new WeftError(
      'health-listen',
      `listening on ${address.ip}:${address.port} for health checks failed`,
      {
        cause,
        remedy: 'choose another -healthz-port, or 0 to switch it off',
      },
    );
  }
}

/** The texts are flannel's, which probes may look for; ours only add the reason. */
function answerTo(
  url: string,
  readiness: () => Readiness,
): { readonly status: number; readonly text: string } {
  const path = url.split('?')[0];
  if (path === '/healthz') return { status: 200, text: 'flanneld is running' };
  if (path !== '/readyz') return { status: 404, text: '404 page not found\n' };
  const { ready, reason } = readiness();
  if (ready) return { status: 200, text: 'flanneld is ready' };
  return { status: 503, text: `flanneld is not ready yet: ${reason}` };
}
