/** The other side of {@link openDoor}: asks a daemon, of this host or of another. */
import type { ClientRequest } from 'node:http';
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { describePlace } from './door.ts';
import { request } from './http.ts';

export interface Asking {
  readonly at: { readonly path: string } | { readonly host: IpAddress; readonly port: number };
  /** Such as `/v1/status`. */
  readonly question: string;
  readonly query?: Readonly<Record<string, string>>;
  /** An address of this host to ask another host from; default: whichever the kernel takes. */
  readonly from?: IpAddress | undefined;
  /** For the whole answer. */
  readonly patienceMs: number;
  /** For the connection, which the other host's kernel takes at once, however busy the daemon is; default: as long. */
  readonly connectMs?: number | undefined;
  readonly signal: AbortSignal;
}

/** Chosen: far more than any answer has. */
const mostBytes = 16 * 1024 * 1024;

/**
 * Gives the JSON of the answer, which the caller checks.
 * @throws WeftError `door-closed` when nobody listens there, `door-silent` when no answer came in time, `door-refused`
 * when the connection was taken and shut (not a peer of ours, or no Weft), and what the answer was refused with; the
 * signal's reason
 */
export async function ask(asking: Asking): Promise<unknown> {
  const { patienceMs, signal } = asking;
  const patience = AbortSignal.timeout(patienceMs);
  try {
    const { status, text } = await fetchText(asking, AbortSignal.any([signal, patience]));
    const value = parse(text);
    if (status === 200 && value !== undefined) return value;
    throw refusalOf(asking, status, value);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WeftError) throw error;
    throw failure(asking, patience.aborted ? 'ETIMEDOUT' : (error as NodeJS.ErrnoException).code, error);
  }
}

function fetchText(
  { at, from, question, query = {}, connectMs }: Asking,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const search = new URLSearchParams(query).toString();
  const path = search === '' ? question : `${question}?${search}`;
  const place = 'path' in at ? { socketPath: at.path } : { host: at.host, port: at.port, localAddress: from };
  return new Promise((resolve, reject) => {
    const asked = request({ ...place, path, signal, agent: false, headers: { host: 'weft' } }, response => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > mostBytes) asked.destroy(new Error(`more than ${mostBytes} bytes of answer`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    if (connectMs !== undefined) boundConnecting(asked, connectMs, describePlace(at));
    asked.on('error', reject);
    asked.end();
  });
}

function boundConnecting(asked: ClientRequest, connectMs: number, where: string): void {
  const late = setTimeout(() => {
    asked.destroy(new WeftError('door-silent', `${where} took no connection within ${connectMs} ms`));
  }, connectMs);
  const done = (): void => clearTimeout(late);
  asked.once('socket', socket => socket.once('connect', done)).once('close', done);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refusalOf({ at, question }: Asking, status: number, value: unknown): WeftError {
  const said = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const text = (name: string): string | undefined =>
    typeof said[name] === 'string' ? (said[name] as string) : undefined;
  return new WeftError(
    text('code') ?? 'door-refused',
    `${describePlace(at)} refused ${question}: ${text('message') ?? `HTTP status ${status}`}`,
    { remedy: text('remedy') },
  );
}

const closed = ['ECONNREFUSED', 'ENOENT'];
const silent = ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'];

function failure({ at, patienceMs }: Asking, code: string | undefined, cause: unknown): WeftError {
  const where = describePlace(at);
  if (closed.includes(code ?? '')) {
    return new WeftError('door-closed', `no daemon of Weft listens at ${where}`, { cause });
  }
  if (silent.includes(code ?? '')) {
    const message =
      code === 'ETIMEDOUT'
        ? `${where} did not answer within ${patienceMs} ms`
        : `${where} cannot be reached: ${code}`;
    return new WeftError('door-silent', message, { cause });
  }
  return new WeftError('door-refused', `${where} shut the connection: ${code ?? 'no answer'}`, { cause });
}
