/**
 * What is counted while it happens, because nobody could tell afterwards; all else is read when it is asked for. One
 * observation costs less than a microsecond, whether or not anybody ever reads it.
 */
import { Histogram } from '../../metrics/histogram.ts';
import type { Step } from '../../state/diff.ts';
import type { KernelObject } from '../../state/kernel-object.ts';
import { NetlinkError } from '../../sys/netlink-error.ts';

/** What was being done when the kernel refused. */
export type KernelTask = 'change' | 'look';

export class Instruments {
  /** One batch of changes, from the first request to the last answer; seconds. */
  readonly applying = new Histogram(applyBounds);
  /** From the arrival of a lease event to the end of the batch that carries it out; seconds. */
  readonly eventDelay = new Histogram(eventBounds);
  /** One look at the kernel as a whole; seconds. */
  readonly looking = new Histogram(applyBounds);
  /** Changes that the kernel took. */
  readonly steps = new Counts<{ readonly verb: Step['verb']; readonly object: KernelObject['type'] }>();
  /** What it refused, by errno or our own code. */
  readonly errors = new Counts<{ readonly task: KernelTask; readonly error: string }>();
  /** Times that notices of the kernel were lost because there were too many. */
  overruns = 0;

  refused(task: KernelTask, error: unknown): void {
    this.errors.add({ task, error: nameOf(error) });
  }
}

/** Counters that are told apart by a few words. */
export class Counts<Key extends Readonly<Record<string, string>>> {
  readonly #counts = new Map<string, { readonly key: Key; count: number }>();

  add(key: Key, times = 1): void {
    const name = Object.values(key).join('\0');
    const known = this.#counts.get(name);
    if (known === undefined) this.#counts.set(name, { key, count: times });
    else known.count += times;
  }

  get entries(): ReadonlyArray<{ readonly key: Key; readonly count: number }> {
    return [...this.#counts.values()];
  }
}

/** A batch is from one request to 2,048 objects, each a few microseconds to the kernel. */
const applyBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
/** Beyond a second packets have been lost for a second. */
const eventBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

function nameOf(error: unknown): string {
  if (error instanceof NetlinkError) return error.errnoName;
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : 'unknown';
}
