import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerFacts, WeftHost } from '../../test/support/weft-host.ts';
import { routeCount, wrongEntries } from './overlay-entries.ts';

const longestMs = 300_000;

export interface Programmed<T> {
  readonly milliseconds: number;
  /** What the start gave. */
  readonly started: T;
}

/**
 * From the start of a program until a host's kernel has all that leads to `peers`: the same yardstick for whoever writes it.
 * Everybody writes a peer's route last, so routes are counted, every two milliseconds; when all are there the whole is read
 * and compared.
 * @throws Error when the start fails, or it takes more than five minutes
 */
export async function timeToProgram<T>(
  host: WeftHost,
  peers: readonly PeerFacts[],
  start: () => Promise<T>,
): Promise<Programmed<T>> {
  const wanted = routeCount(host) + peers.length;
  const failed = new AbortController();
  const fromMs = performance.now();
  const tookMs = (): number => {
    failed.signal.throwIfAborted();
    const milliseconds = performance.now() - fromMs;
    if (milliseconds > longestMs) throw new Error(`expected all of ${peers.length} peers, found otherwise`);
    return milliseconds;
  };
  const starting = start();
  starting.catch(error => failed.abort(error));
  for (; routeCount(host) < wanted; tookMs()) await sleep(2);
  let milliseconds = tookMs();
  // Nearly always all is there. What comes later counts too, by the coarser clock of whole comparisons.
  while ((await wrongEntries(host, peers)) > 0) milliseconds = tookMs();
  return { milliseconds, started: await starting };
}
