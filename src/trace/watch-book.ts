/** Watches that other hosts have asked for: a few at a time, each for a few seconds. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeftError } from '../base/errors.ts';
import { familyOf } from '../base/ip.ts';
import type { ArmedWatch, SeenQuestion, Sighting, WatchQuestion } from '../control/peer-questions.ts';
import { DeviceWatch, sightingsOf, type WatchedDevice } from './device-watch.ts';

interface OpenWatch {
  readonly devices: readonly DeviceWatch[];
  /** Resolves when nothing more is to be seen. */
  readonly done: Promise<void>;
  readonly end: NodeJS.Timeout;
}

/** Chosen: each holds a socket for each device of the way. */
const mostWatches = 4;
/** Chosen: for the way of the question what was seen. */
const graceMs = 2000;
/** Chosen: from one device to the next a packet takes less. */
const settleMs = 20;

export class WatchBook {
  readonly #open = new Map<string, OpenWatch>();

  /** @throws WeftError `watch-busy` */
  arm({ to, mark, milliseconds }: WatchQuestion, devices: readonly WatchedDevice[]): ArmedWatch {
    if (this.#open.size >= mostWatches) {
      throw new WeftError('watch-busy', `${mostWatches} others watch here already`, {
        remedy: 'ask again in a few seconds',
      });
    }
    const id = randomUUID();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const watches: DeviceWatch[] = [];
    const onSeen = (): void => {
      if (watches.every(({ isDone }) => isDone)) resolve();
    };
    const probe = { family: familyOf(to), mark, onSeen };
    for (const device of devices) watches.push(new DeviceWatch(device, probe));
    const end = setTimeout(() => this.#forget(id), milliseconds + graceMs);
    // A daemon that shall end does not wait for it.
    end.unref();
    this.#open.set(id, { devices: watches, done, end });
    return { id };
  }

  /** Ends the watch. @throws WeftError `watch-unknown`; the signal's reason */
  async seen({ id, milliseconds }: SeenQuestion, signal: AbortSignal): Promise<readonly Sighting[]> {
    const watch = this.#open.get(id);
    if (watch === undefined) throw new WeftError('watch-unknown', `no watch here is called ${id}`);
    const waiting = new AbortController();
    try {
      const until = { signal: AbortSignal.any([signal, waiting.signal]) };
      await Promise.race([watch.done, sleep(milliseconds, undefined, until).catch(() => {})]);
      await sleep(settleMs, undefined, { signal });
      return sightingsOf(watch.devices);
    } finally {
      waiting.abort();
      this.#forget(id);
    }
  }

  close(): void {
    for (const id of [...this.#open.keys()]) this.#forget(id);
  }

  #forget(id: string): void {
    const watch = this.#open.get(id);
    if (watch === undefined) return;
    this.#open.delete(id);
    clearTimeout(watch.end);
    for (const device of watch.devices) device.close();
  }
}
