/**
 * A path between two hosts on which datagrams get lost and overtake each other, made of a process between two cables:
 * `node test/support/unreliable-path.ts JSON`. Each host sends to it as if it were the other, and gets what it lets
 * through from its address. One datagram in a hundred is lost, and as many are held back until others have passed. On
 * SIGUSR2 it tells how many, as JSON.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import process from 'node:process';

/** The argument. */
export interface UnreliablePathSpec {
  readonly port: number;
  /** Of the two hosts, and of this process towards each. */
  readonly ends: readonly [PathEnd, PathEnd];
  readonly seed: number;
}

export interface PathEnd {
  readonly host: string;
  readonly own: string;
}

const [lost, heldBack] = [0.01, 0.01];
/** How many others pass a datagram that is held back, at most; or how long it waits for them. */
const [mostPassing, mostMs] = [20, 3];
const bufferBytes = 8 * 1024 * 1024;

async function serve({ ends, port, seed }: UnreliablePathSpec): Promise<void> {
  const fates = { passed: 0, lost: 0, heldBack: 0 };
  const [one, other] = [await open(ends[0].own, port), await open(ends[1].own, port)];
  relay(one, other, ends[1].host, port, seed, fates);
  relay(other, one, ends[0].host, port, seed + 1, fates);
  process.on('SIGUSR2', () => process.stdout.write(`${JSON.stringify(fates)}\n`));
  process.stdout.write('ready\n');
}

async function open(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: bufferBytes, sendBufferSize: bufferBytes });
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}

/** What became of the datagrams. */
export interface Fates {
  passed: number;
  lost: number;
  heldBack: number;
}

interface Held {
  readonly datagram: Uint8Array;
  readonly untilMs: number;
  passing: number;
}

function relay(from: Socket, to: Socket, host: string, port: number, seed: number, fates: Fates): void {
  const random = randomFrom(seed);
  let held: Held[] = [];
  const release = (): void => {
    const nowMs = performance.now();
    for (const { datagram } of held.filter(one => one.passing <= 0 || one.untilMs <= nowMs))
      to.send(datagram, port, host);
    held = held.filter(one => one.passing > 0 && one.untilMs > nowMs);
    if (held.length > 0) setTimeout(release, 1);
  };
  from.on('message', datagram => {
    const fate = random();
    if (fate < lost) {
      fates.lost++;
      return;
    }
    if (fate < lost + heldBack) {
      fates.heldBack++;
      const passing = 1 + Math.floor(random() * mostPassing);
      held.push({ datagram, untilMs: performance.now() + mostMs, passing });
      if (held.length === 1) setTimeout(release, 1);
      return;
    }
    fates.passed++;
    to.send(datagram, port, host);
    for (const one of held) one.passing--;
    if (held.some(one => one.passing <= 0)) release();
  });
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

// Last, because it runs at once.
if (import.meta.main) await serve(JSON.parse(process.argv[2] ?? '') as UnreliablePathSpec);
