/**
 * A TCP proxy that does what networks and servers do on their bad days. In this process:
 *
 *     const proxy = await startFaultProxy(scope, { listen: { host, port }, target: { host, port } });
 *     proxy.set({ type: 'freeze' });
 *
 * or as a program, for a namespace of its own; a line of JSON to the control socket asks for a fault, and is
 * answered by a line of JSON (see fault-etcd.ts):
 *
 *     node test/support/fault-proxy.ts CONTROL-SOCKET LISTEN=TARGET ...
 */
import { once } from 'node:events';
import net from 'node:net';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Scope } from '../../src/base/scope.ts';

export type Fault =
  | { readonly type: 'pass' }
  /** Connections stay and are accepted, and not a byte passes: a black hole behind a handshake. */
  | { readonly type: 'freeze' }
  /** Every connection is reset, those there are and those to come. */
  | { readonly type: 'reset' }
  /** Every byte arrives later, in order. */
  | { readonly type: 'delay'; readonly milliseconds: number }
  /** A connection is reset when so many bytes of answers have passed on it from now on: within a message. */
  | { readonly type: 'cut'; readonly afterBytes: number };

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface FaultProxy {
  /** What becomes of every byte from now on. */
  set(fault: Fault): void;
  /** How many connections there have been. */
  readonly accepted: number;
  close(): Promise<void>;
}

/** Starts it; the scope closes it. It passes everything on. */
export async function startFaultProxy(
  scope: Scope,
  places: { readonly listen: Place; readonly target: Place },
): Promise<FaultProxy> {
  return scope.own('fault proxy', await listen(places.listen, places.target));
}

async function listen(place: Place, target: Place): Promise<FaultProxy> {
  const links = new Set<ProxyLink>();
  let fault: Fault = { type: 'pass' };
  let accepted = 0;
  const server = net.createServer(client => {
    accepted++;
    const link = new ProxyLink(client, net.connect(target), () => links.delete(link));
    links.add(link);
    link.set(fault);
  });
  server.listen(place);
  await once(server, 'listening');
  return {
    set: next => {
      fault = next;
      for (const link of [...links]) link.set(next);
    },
    get accepted() {
      return accepted;
    },
    close: async () => {
      server.close();
      for (const link of [...links]) link.reset();
      if (server.listening) await once(server, 'close');
    },
  };
}

/** One connection and its continuation. */
class ProxyLink {
  readonly #sockets: readonly [client: net.Socket, server: net.Socket];
  readonly #onEnd: () => void;
  #fault: Fault = { type: 'pass' };
  /** Bytes of answers since the present fault. */
  #answered = 0;
  /** When the last byte of each direction is due: the order stays. */
  readonly #dueMs = [0, 0];
  #ended = false;

  constructor(client: net.Socket, server: net.Socket, onEnd: () => void) {
    this.#sockets = [client, server];
    this.#onEnd = onEnd;
    this.#pipe(client, server, 0);
    this.#pipe(server, client, 1);
  }

  set(fault: Fault): void {
    this.#fault = fault;
    this.#answered = 0;
    if (fault.type === 'reset') this.reset();
    else if (fault.type === 'freeze') for (const socket of this.#sockets) socket.pause();
    else for (const socket of this.#sockets) socket.resume();
  }

  reset(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.#onEnd();
  }

  #pipe(from: net.Socket, to: net.Socket, direction: 0 | 1): void {
    from.setNoDelay(true);
    from.on('data', (bytes: Buffer) => this.#pass(bytes, to, direction));
    from.on('error', () => this.reset()).on('close', () => this.reset());
    from.on('end', () => this.#later(direction, () => to.end()));
  }

  #pass(bytes: Buffer, to: net.Socket, direction: 0 | 1): void {
    const rest = this.#fault.type === 'cut' ? this.#fault.afterBytes - this.#answered : bytes.length;
    if (direction === 1) this.#answered += bytes.length;
    if (direction === 0 || rest >= bytes.length) this.#later(direction, () => to.write(bytes));
    else to.write(bytes.subarray(0, Math.max(0, rest)), () => this.reset());
  }

  #later(direction: 0 | 1, act: () => void): void {
    const delayMs = this.#fault.type === 'delay' ? this.#fault.milliseconds : 0;
    const nowMs = performance.now();
    const dueMs = Math.max(nowMs + delayMs, this.#dueMs[direction] ?? 0);
    this.#dueMs[direction] = dueMs;
    if (dueMs <= nowMs) act();
    else setTimeout(() => void (this.#ended || act()), dueMs - nowMs);
  }
}

/** What the program is asked: a fault for one of its listeners (by number), and how often that was connected to. */
export interface ProxyOrder {
  readonly proxy: number;
  readonly fault?: Fault;
}

export interface ProxyAnswer {
  readonly accepted: number;
}

if (import.meta.main) {
  const [control = '', ...pairs] = process.argv.slice(2);
  const proxies = await Promise.all(
    pairs.map(pair => {
      const [from = '', to = ''] = pair.split('=');
      return listen(placeOf(from), placeOf(to));
    }),
  );
  net
    .createServer(socket => {
      createInterface({ input: socket }).on('line', line => {
        const { proxy: index, fault } = JSON.parse(line) as ProxyOrder;
        const proxy = proxies[index];
        if (fault !== undefined) proxy?.set(fault);
        const answer: ProxyAnswer = { accepted: proxy?.accepted ?? 0 };
        socket.end(`${JSON.stringify(answer)}\n`);
      });
    })
    .listen(control);
}

function placeOf(text: string): Place {
  const [host = '', port] = text.split(':');
  return { host, port: Number(port) };
}
