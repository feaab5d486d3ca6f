/**
 * Keeps the kernel as desired, level-triggered:
 *
 *     set/unset ───> desired ─┐
 *                             ├─ diff of the dirty keys ──> steps ──> apply ──> mirror
 *     snapshot ───┬> mirror ──┘                                         └─ failed: again, later
 *     monitor ────┘
 *
 * The mirror is what the kernel holds as far as we know. A lease event, or a notice of the monitor, makes a few keys
 * dirty and costs only those; a look at the kernel makes everything dirty.
 */
import { backoffMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Applied, apply } from '../kernel/apply.ts';
import type { KernelEvent } from '../kernel/monitor.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { stepCommand } from '../state/describe.ts';
import { diff, type Step } from '../state/diff.ts';
import {
  type KernelObject,
  type KernelState,
  keyOf,
  type LinkName,
  type ObjectKey,
} from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { KernelMirror } from './kernel-mirror.ts';
import { RepairLog } from './repair-log.ts';
import { RepairPace } from './repair-pace.ts';

export interface ReconcilerOptions {
  readonly socket: NetlinkSocket;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Devices of ours, which are looked at. */
  readonly devices: readonly LinkName[];
  /** Devices that ours need. */
  readonly needs: readonly LinkName[];
  /** Is this object, which no plan names, ours to remove? */
  owns(object: KernelObject): boolean;
  /** Called after a device was made, before anything else is put on it. */
  prepareDevice?(name: LinkName): void;
  /** Uniform in [0, 1). */
  random(): number;
}

/** What the reconciler has done since it was last asked. */
export interface Tally {
  readonly added: number;
  readonly replaced: number;
  readonly deleted: number;
}

/** An object that cannot be brought to its desired state for now. */
export interface Failing {
  readonly command: string;
  readonly error: string;
  readonly attempts: number;
}

const retry = { firstMs: 200, maxMs: 30_000 } as const;
/** Under this key the pace of looks at the whole kernel is kept. */
const everything = 'everything' as ObjectKey;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #desired = new Map<ObjectKey, KernelObject>();
  readonly #failing = new Map<ObjectKey, Failing>();
  readonly #mirror: KernelMirror;
  readonly #pace = new RepairPace();
  readonly #repairs: RepairLog;
  /** Dirty because the wish changed; whatever else is dirty is a repair. */
  readonly #wished = new Set<ObjectKey>();
  #dirty = new Set<ObjectKey>();
  #stale = true;
  #running: Promise<void> | undefined;
  #retryPlanned = false;
  #tally = { added: 0, replaced: 0, deleted: 0 };

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    // By reference: devices come and go with the plan.
    this.#mirror = new KernelMirror(options, this.#desired);
    this.#repairs = new RepairLog(options.log);
  }

  get failing(): ReadonlyMap<ObjectKey, Failing> {
    return this.#failing;
  }

  get desired(): KernelState {
    return this.#desired;
  }

  /** How many objects were put right since the start, by type. */
  get repaired(): ReadonlyMap<KernelObject['type'], number> {
    return this.#repairs.counts;
  }

  /** Wants these objects, in place of whatever was wanted under the same keys. */
  set(objects: readonly KernelObject[]): void {
    for (const object of objects) {
      const key = keyOf(object);
      this.#desired.set(key, object);
      this.#wished.add(key);
      this.#dirty.add(key);
      // What a device loses when it is made anew is known only after a look.
      if (object.type === 'link') this.#stale = true;
    }
    this.#wake();
  }

  /** Wants nothing under these keys any more. */
  unset(keys: readonly ObjectKey[]): void {
    for (const key of keys) {
      this.#desired.delete(key);
      this.#wished.add(key);
      this.#dirty.add(key);
    }
    this.#wake();
  }

  /** Takes a notice of the kernel's monitor, and puts right what it contradicts. */
  notice(event: KernelEvent): void {
    // Before the first wish everything of ours would look stale, and would be removed.
    if (this.#desired.size === 0) return;
    const consequence = this.#mirror.notice(event);
    if (consequence.type === 'nothing') return;
    const key = consequence.type === 'dirty' ? consequence.key : everything;
    if (event.type !== 'overrun') this.#repairs.suspect(key, event.by);
    const { delayMs, complain } = this.#pace.ask(key, this.#options.clock.monotonicMs());
    if (complain) this.#repairs.complain(key, delayMs);
    this.#later(delayMs, () => {
      if (key === everything) this.#stale = true;
      else this.#dirty.add(key);
      this.#wake();
    });
  }

  /** Looks at the kernel and puts right whatever differs. */
  resync(): void {
    this.#pace.prune(this.#options.clock.monotonicMs());
    this.#stale = true;
    this.#wake();
  }

  /** Resolves when nothing is left to do but what failed, and tells what was done since the last call. */
  async settled(): Promise<Tally> {
    while (this.#running !== undefined) await this.#running;
    const tally = this.#tally;
    this.#tally = { added: 0, replaced: 0, deleted: 0 };
    return tally;
  }

  #wake(): void {
    if (this.#running !== undefined || this.#options.signal.aborted) return;
    // Starting in a microtask lets a burst of changes become one batch.
    this.#running = Promise.resolve()
      .then(() => this.#work())
      .then(completed => {
        this.#running = undefined;
        if (!completed) this.#planRetry(0);
        else if (this.#stale || this.#dirty.size > 0) this.#wake();
      });
  }

  /** Works until nothing is left; false when the kernel could not be read. */
  async #work(): Promise<boolean> {
    while ((this.#stale || this.#dirty.size > 0) && !this.#options.signal.aborted) {
      if (this.#stale && !(await this.#look())) return false;
      const keys = this.#dirty;
      this.#dirty = new Set();
      const steps = diff(pick(this.#desired, keys), pick(this.#mirror.state, keys));
      this.#learn(await this.#apply(steps), keys);
    }
    return true;
  }

  /** Reads the kernel; false when that failed. */
  async #look(): Promise<boolean> {
    const { socket, devices, log } = this.#options;
    try {
      this.#stale = false;
      this.#mirror.take(await snapshot(socket, devices));
      for (const key of this.#desired.keys()) this.#dirty.add(key);
      for (const key of this.#mirror.state.keys()) this.#dirty.add(key);
      return true;
    } catch (error) {
      this.#stale = true;
      log.error({ error }, 'reading the kernel failed, trying again');
      return false;
    }
  }

  /** Devices first, so that they can be prepared before anything is put on them. */
  async #apply(steps: readonly Step[]): Promise<Applied> {
    const { socket, prepareDevice } = this.#options;
    const firstLater = steps.findIndex(step => step.object.type !== 'link');
    const cut = firstLater < 0 ? steps.length : firstLater;
    const links = await apply(socket, steps.slice(0, cut));
    for (const { verb, object } of links.done) {
      if (verb === 'add' && object.type === 'link') prepareDevice?.(object.value.name);
    }
    const others = await apply(socket, steps.slice(cut));
    this.#mirror.name(others.devices);
    return { ...others, done: [...links.done, ...others.done], failed: [...links.failed, ...others.failed] };
  }

  #learn({ done, failed }: Applied, keys: ReadonlySet<ObjectKey>): void {
    for (const step of done) {
      this.#tally[step.verb === 'add' ? 'added' : step.verb === 'replace' ? 'replaced' : 'deleted']++;
      if (this.#mirror.learn(step)) this.#stale = true;
    }
    this.#repairs.tell(done, this.#wished);
    const failedKeys = new Set(failed.map(({ step }) => keyOf(step.object)));
    for (const key of keys) {
      this.#wished.delete(key);
      if (!failedKeys.has(key)) this.#failing.delete(key);
    }
    for (const { step, error } of failed) this.#fail(step, error);
    const attempts = failed.map(({ step }) => this.#failing.get(keyOf(step.object))?.attempts ?? 0);
    if (failed.length > 0) this.#planRetry(Math.min(...attempts));
  }

  #fail(step: Step, error: Error): void {
    const key = keyOf(step.object);
    const attempts = (this.#failing.get(key)?.attempts ?? 0) + 1;
    const command = stepCommand(step);
    this.#failing.set(key, { command, error: describeError(error), attempts });
    // The first failure of many; then only as often as the attempts double.
    if ((attempts & (attempts - 1)) === 0) {
      this.#options.log.warn({ command, attempts, error }, 'the kernel refused a change, trying again');
    }
  }

  /** Looks again after a while, at everything: a refusal often means that the kernel is not as believed. */
  #planRetry(attempt: number): void {
    if (this.#retryPlanned) return;
    this.#retryPlanned = true;
    this.#later(backoffMs(retry, attempt, this.#options.random()), () => {
      this.#retryPlanned = false;
      this.resync();
    });
  }

  #later(delayMs: number, act: () => void): void {
    const { clock, signal } = this.#options;
    if (signal.aborted) return;
    if (delayMs === 0) act();
    else void clock.sleep(delayMs, { signal }).then(act, () => {});
  }
}

function pick(state: KernelState, keys: ReadonlySet<ObjectKey>): KernelState {
  const picked = new Map<ObjectKey, KernelObject>();
  for (const key of keys) {
    const object = state.get(key);
    if (object !== undefined) picked.set(key, object);
  }
  return picked;
}
