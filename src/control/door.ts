/**
 * Questions to a running daemon, answered as JSON over HTTP: on a Unix socket for this host (control-socket), on the
 * underlay for the daemons and doctors of other hosts (peer door). Every answer only reads.
 */
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { describeError, WeftError } from '../base/errors.ts';
import { type IpAddress, tryParseIp } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import { createServer } from './http.ts';

/**
 * What is asked by a path such as `/v1/status`. Gives what JSON can say; a WeftError it throws is told to the asker.
 * @param from as for {@link DoorOptions.admits}
 */
export type Answer = (query: URLSearchParams, signal: AbortSignal, from: IpAddress | undefined) => unknown;

export interface DoorOptions {
  readonly listen: DoorPlace;
  readonly answers: Readonly<Record<string, Answer>>;
  /** Whether somebody at this address may ask; undefined: a program of this host, over a Unix socket. */
  admits(from: IpAddress | undefined): boolean;
  readonly log: Log;
}

/** `path` of a Unix socket, made with these permissions in a folder that exists; or an address of this host. */
export type DoorPlace =
  | { readonly path: string; readonly mode: number }
  | { readonly host: IpAddress; readonly port: number };

export interface Door {
  /** Ends also what is being answered. */
  close(): void;
}

/** Chosen: more than all that can be wanted of one host at a time, and little enough to bear. */
const mostConnections = 16;
/** Chosen: longer than the longest answer, that of a trace which waits for a packet. */
const patienceMs = 10_000;
/** For who connects and asks nothing, or slowly. */
const askWithinMs = 3000;
/** Node's own limits are looked at all the time, with nobody there too; see {@link Deadlines}. */
const noLimits = { headersTimeout: 0, requestTimeout: 0, connectionsCheckingInterval: 2 ** 31 - 1 } as const;

/** @throws WeftError `door-listen` */
export async function openDoor({ listen, answers, admits, log }: DoorOptions): Promise<Door> {
  const closing = new AbortController();
  const deadlines = new Deadlines();
  const server = createServer(noLimits, (request, response) => {
    // For the answer, and for taking it.
    deadlines.set(request.socket, 2 * patienceMs);
    void answer(request, response, answers, closing.signal, log);
  });
  server.maxConnections = mostConnections;
  // Not a word to strangers, and no place kept for them.
  server.on('connection', socket => {
    if (!admits(addressOf(socket))) return void socket.destroy();
    deadlines.set(socket, askWithinMs);
    socket.once('close', () => deadlines.lift(socket));
  });
  try {
    if ('path' in listen) {
      // What a daemon left that was killed; a daemon that lives holds a lock, which comes first.
      rmSync(listen.path, { force: true });
      server.listen(listen.path);
    } else {
      server.listen(listen.port, listen.host);
    }
    await once(server, 'listening');
    if ('path' in listen) chmodSync(listen.path, listen.mode);
  } catch (cause) {
    server.close();
    throw new WeftError('door-listen', `listening on ${describePlace(listen)} failed`, { cause });
  }
  // Such as EMFILE when a connection is taken: no reason to end the network.
  server.on('error', error => log.warn({ error }, `listening on ${describePlace(listen)} had a problem`));
  return {
    close() {
      closing.abort();
      server.close().closeAllConnections();
    },
  };
}

/** Ends connections that take too long. Without connections there is no timer. */
class Deadlines {
  readonly #timers = new WeakMap<Socket, NodeJS.Timeout>();

  set(socket: Socket, afterMs: number): void {
    this.lift(socket);
    this.#timers.set(socket, setTimeout(() => socket.destroy(), afterMs).unref());
  }

  lift(socket: Socket): void {
    clearTimeout(this.#timers.get(socket));
  }
}

export function describePlace(
  place: { readonly path: string } | { readonly host: string; readonly port: number },
) {
  if ('path' in place) return place.path;
  const { host, port } = place;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

async function answer(
  { url = '/', method, socket }: IncomingMessage,
  response: ServerResponse,
  answers: DoorOptions['answers'],
  closing: AbortSignal,
  log: Log,
): Promise<void> {
  const leaving = new AbortController();
  response.once('close', () => leaving.abort());
  const signal = AbortSignal.any([closing, leaving.signal, AbortSignal.timeout(patienceMs)]);
  const end = (status: number, value: unknown): void => {
    // First of all: a value that JSON cannot say shall be an answer, too.
    const text = JSON.stringify(value);
    // One question each: whoever has another connects again.
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(text);
  };
  const asked = URL.parse(url, 'http://weft');
  const { pathname, searchParams } = asked ?? { pathname: url, searchParams: new URLSearchParams() };
  const found = Object.hasOwn(answers, pathname) ? answers[pathname] : undefined;
  if (method !== 'GET') return end(405, { code: 'door-method', message: `${method}: only GET is answered` });
  if (found === undefined)
    return end(404, { code: 'door-unknown', message: `${pathname}: no such question` });
  try {
    end(200, await found(searchParams, signal, addressOf(socket)));
  } catch (error) {
    if (error instanceof WeftError) {
      return end(422, { code: error.code, message: error.message, remedy: error.remedy });
    }
    if (!signal.aborted) log.warn({ error }, `${pathname} could not be answered`);
    end(500, { code: 'door-failed', message: describeError(error) });
  }
}

/** IPv4 comes in IPv6's clothes where the socket takes both; over a Unix socket there is no address. */
function addressOf({ remoteAddress }: IncomingMessage['socket']): IpAddress | undefined {
  return remoteAddress === undefined ? undefined : tryParseIp(remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''));
}
