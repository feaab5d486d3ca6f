import assert from 'node:assert/strict';
import type { Registry, RegistryEvent, Revision, WatchOptions } from '../../src/registry/registry.ts';

/** Generous: nothing here may depend on speed, only on things happening at all. */
const patienceMs = 30_000;

/** A watch read in the background; tests wait for what it must tell and then look at the whole. */
export interface WatchReader {
  /** Everything told so far, `state` events aside: an engine may tell those at any time. */
  readonly told: readonly RegistryEvent[];
  /** Resolves when the first `count` events are there; fails when they are not in time. */
  first(count: number): Promise<readonly RegistryEvent[]>;
  /** Resolves when the last put or delete told has this revision; fails when that is not so in time. */
  upTo(revision: Revision): Promise<readonly RegistryEvent[]>;
  /** Aborts the watch and waits for the iteration's end, which must come without an error. */
  stop(): Promise<void>;
  /** Resolves when the iteration has ended, however that came. */
  readonly ended: Promise<void>;
}

/** Starts watching at once. */
export function readWatch(
  registry: Registry,
  prefix: string,
  options: Omit<WatchOptions, 'signal'> = {},
): WatchReader {
  const controller = new AbortController();
  const told: RegistryEvent[] = [];
  const wakers = new Set<() => void>();
  const wakeAll = (): void => {
    for (const wake of wakers) wake();
  };
  const ended = (async () => {
    try {
      for await (const event of registry.watch(prefix, { ...options, signal: controller.signal })) {
        if (event.type === 'state') continue;
        told.push(event);
        wakeAll();
      }
    } finally {
      wakeAll();
    }
  })();
  ended.catch(() => {}); // Whoever waits for it gets the error.

  const until = async (what: string, holds: () => boolean): Promise<readonly RegistryEvent[]> => {
    const deadline = AbortSignal.timeout(patienceMs);
    while (!holds()) {
      assert.ok(!deadline.aborted, `waited for ${what}; the watch told ${describe(told)}`);
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, 250);
        const wake = (): void => {
          clearTimeout(timer);
          wakers.delete(wake);
          resolve();
        };
        wakers.add(wake);
      });
    }
    return told;
  };

  return {
    told,
    ended,
    first: async count => (await until(`${count} events`, () => told.length >= count)).slice(0, count),
    upTo: revision => until(`revision ${revision}`, () => told.some(event => revisionOf(event) === revision)),
    async stop() {
      controller.abort();
      await ended;
    },
  };
}

/** The revision an event speaks of; undefined for `state`. */
export function revisionOf(event: RegistryEvent): Revision | undefined {
  switch (event.type) {
    case 'put':
      return event.entry.revision;
    case 'delete':
    case 'snapshot':
      return event.revision;
    case 'state':
      return undefined;
  }
}

/** One short line per event, without revisions: `put a=1`, `delete a`, `snapshot a=1 b=2`. */
export function outline(events: readonly RegistryEvent[]): string[] {
  return events.map(outlineOne);
}

function outlineOne(event: RegistryEvent): string {
  switch (event.type) {
    case 'put':
      return `put ${event.entry.key}=${event.entry.value}`;
    case 'delete':
      return `delete ${event.key}`;
    case 'snapshot':
      return ['snapshot', ...event.entries.map(entry => `${entry.key}=${entry.value}`)].join(' ');
    case 'state':
      return `state ${event.connected ? 'connected' : 'disconnected'}`;
  }
}

function describe(events: readonly RegistryEvent[]): string {
  return events.length === 0 ? 'nothing' : outline(events).join('; ').slice(0, 2000);
}
