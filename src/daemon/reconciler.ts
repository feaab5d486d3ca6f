/**
 * Keeps the kernel as desired, level-triggered:
 *
 *     set/unset ──────────────> book ─── diff of the dirty keys ──> steps ──> pace ──> apply ──> mirror ──> book
 *     snapshot ───┬─> mirror ───┘                                             │         └─ refused: again, later
 *     monitor ────┘                                                           └─ fought over: later
 *
 * The book holds what is wished, and what the kernel has otherwise as far as we know. A lease event, or a notice of the
 * monitor, makes a few keys dirty and costs only those; a look at the kernel makes dirty whatever it finds otherwise.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { LiveRepair } from '../control/live-status.ts';
import { renamedDevice } from '../host/renamed-device.ts';
import { type Applied, apply } from '../kernel/apply.ts';
import type { Below } from '../kernel/below.ts';
import type { KernelEvent } from '../kernel/monitor.ts';
import { type Snapshot, snapshot } from '../kernel/snapshot.ts';
import { compare } from '../state/compare.ts';
import { diff, type Step } from '../state/diff.ts';
import {
  deviceOf,
  type KernelObject,
  type KernelState,
  keyOf,
  type LinkName,
  type ObjectKey,
  stateOf,
} from '../state/kernel-object.ts';
import { StateBook } from '../state/state-book.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { DirtyKeys } from './dirty-keys.ts';
import { HeapRest } from './heap-rest.ts';
import { KernelMirror } from './kernel-mirror.ts';
import { LookSchedule } from './look-schedule.ts';
import { Instruments } from './metrics/instruments.ts';
import { NoticeHold } from './notice-hold.ts';
import { spareDevices, takeNameBack } from './own-devices.ts';
import { type Failing, Refusals } from './refusals.ts';
import { RepairGate } from './repair-gate.ts';
import { RepairLog } from './repair-log.ts';
import { StepCounts, type Tally } from './step-counts.ts';
import { WishDelays } from './wish-delays.ts';

export interface ReconcilerOptions {
  readonly socket: NetlinkSocket;
  /** Where the devices that ours are made on are; undefined: where ours are. */
  readonly below?: Below | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Devices of ours, which are looked at. */
  readonly devices: readonly LinkName[];
  /** Devices that ours need. */
  readonly needs: readonly LinkName[];
  /** Devices of others on which routes of ours lie. */
  readonly borrowed: readonly LinkName[];
  /** Is this object, which no plan names, ours to remove? */
  owns(object: KernelObject): boolean;
  /** Called after a device was made, before anything else is put on it. */
  prepareDevice?(name: LinkName): void;
  /** Notices, mostly of what is being written, shall wait from now on (`true`), or no longer. */
  onHold?(hold: boolean): void;
  /** Uniform in [0, 1). */
  random(): number;
  readonly instruments?: Instruments | undefined;
}

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #instruments: Instruments;
  readonly #book = new StateBook();
  readonly #refusals: Refusals;
  readonly #mirror: KernelMirror;
  readonly #repairs: RepairLog;
  readonly #gate: RepairGate;
  readonly #schedule: LookSchedule;
  /** Dirty because the wish changed; whatever else is dirty is a repair. */
  #wished = new Set<ObjectKey>();
  /** Wanted no more, and not removed yet. */
  readonly #released = new Map<ObjectKey, KernelObject>();
  readonly #dirty = new DirtyKeys();
  /** Differences that are left for a while, because somebody fights over them. */
  readonly #heldBack = new Set<ObjectKey>();
  readonly #delays: WishDelays;
  readonly #counts: StepCounts;
  readonly #hold: NoticeHold;
  readonly #heap: HeapRest;
  #stale = true;
  /** Before the first wish everything of ours would look stale, and would be removed. */
  #begun = false;
  /** What the monitor tells while the kernel is being read: the picture may be from before or after. */
  #meanwhile: KernelEvent[] | undefined;
  /** Keys that the monitor contradicts while steps are being taken: it knows better than what the steps say. */
  #contradicted = new Set<ObjectKey>();
  #running: Promise<void> | undefined;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#instruments = options.instruments ?? new Instruments();
    this.#schedule = new LookSchedule(options);
    this.#delays = new WishDelays(options.clock, this.#instruments);
    this.#counts = new StepCounts(this.#instruments);
    this.#hold = new NoticeHold(hold => options.onHold?.(hold));
    this.#heap = new HeapRest(options.clock, (delayMs, act) => this.#schedule.later(delayMs, act));
    this.#refusals = new Refusals(options, error => this.#instruments.refused('change', error));
    // By reference: devices come and go with the plan.
    this.#mirror = new KernelMirror(options, this.#book);
    this.#repairs = new RepairLog(options.log, options.clock);
    this.#gate = new RepairGate({
      clock: options.clock,
      refusals: this.#refusals,
      repairs: this.#repairs,
      onDue: key => this.#soil(key),
      later: (delayMs, act) => this.#schedule.later(delayMs, act),
    });
  }

  get failing(): ReadonlyMap<ObjectKey, Failing> {
    return this.#refusals.failing;
  }

  /** Differences that are not put right for a while, because somebody keeps making them. */
  get heldBack(): ReadonlySet<ObjectKey> {
    return this.#heldBack;
  }

  /** How many objects are yet to be compared with the kernel, or put right, as soon as there is time. */
  get pending(): number {
    return this.#dirty.size;
  }

  /** Is there, as far as is known, nothing in the kernel in this one's place? */
  lacks(key: ObjectKey): boolean {
    return this.#book.actual(key) === undefined;
  }

  /** Why the kernel cannot be read at present, so that nothing is known of it. */
  get problem(): string | undefined {
    return this.#schedule.problem;
  }

  /** True from the first wish on. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Milliseconds after which {@link resync} is due, should nothing happen until then. */
  get auditInMs(): number {
    return this.#schedule.auditInMs(this.desired.size);
  }

  get desired(): KernelState {
    return this.#book.desired;
  }

  /** The last objects that were put right, the newest first. */
  get lastRepairs(): readonly LiveRepair[] {
    return this.#repairs.last;
  }

  /** How many objects were put right since the start, by type. */
  get repaired(): ReadonlyMap<KernelObject['type'], number> {
    return this.#repairs.counts;
  }

  /**
   * Wants these objects, in place of whatever was wanted under the same keys.
   * @param sinceMs when the reason for it arrived, by the monotonic clock
   */
  set(objects: readonly KernelObject[], sinceMs?: number): void {
    this.want(stateOf(objects), sinceMs);
  }

  /** As {@link set}. */
  want(objects: KernelState, sinceMs?: number): void {
    this.#begun = true;
    let last: ObjectKey | undefined;
    for (const [key, object] of objects) {
      last = key;
      this.#book.want(key, object);
      this.#wish(key);
      // What a device loses when it is made anew is known only after a look.
      if (object.type === 'link') this.#stale = true;
    }
    this.#delays.wished(last, sinceMs);
    this.#wake();
  }

  /** Wants nothing under these keys any more; `sinceMs` as with {@link set}. */
  unset(keys: readonly ObjectKey[], sinceMs?: number): void {
    for (const key of keys) {
      const object = this.#book.unwant(key);
      if (object !== undefined) this.#released.set(key, object);
      this.#wish(key);
    }
    this.#delays.wished(keys.at(-1), sinceMs);
    this.#wake();
  }

  /** Takes a notice of the kernel's monitor, and puts right what it contradicts. */
  notice(event: KernelEvent): void {
    if (!this.#begun) return;
    if (event.type === 'overrun') this.#instruments.overruns++;
    this.#meanwhile?.push(event);
    const consequence = this.#mirror.notice(event);
    if (consequence.type === 'nothing') return;
    if (event.type !== 'overrun' && consequence.key !== undefined) {
      this.#repairs.suspect(consequence.key, event.by);
    }
    if (consequence.key !== undefined) this.#contradicted.add(consequence.key);
    if (consequence.type === 'stale') {
      this.#refusals.hurry();
      this.#schedule.soon(() => this.#soilAll());
    } else this.#soil(consequence.key);
  }

  /** Takes a notice of the monitor of the namespace below. */
  noticeBelow(event: KernelEvent): void {
    if (!this.#begun || this.#mirror.noticeBelow(event).type === 'nothing') return;
    this.#refusals.hurry();
    this.#schedule.soon(() => this.#soilAll());
  }

  /** Looks at the kernel and puts right whatever differs. */
  resync(): void {
    this.#gate.prune();
    this.#soilAll();
  }

  /** Resolves when nothing is left to do but what must wait. */
  async atRest(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** The like, and tells what was done since the last call. */
  async settled(): Promise<Tally> {
    await this.atRest();
    return this.#counts.take();
  }

  #wish(key: ObjectKey): void {
    this.#wished.add(key);
    this.#dirty.add(key);
  }

  #soil(key: ObjectKey): void {
    this.#dirty.add(key);
    this.#wake();
  }

  #soilDiffering(): void {
    this.#book.eachDifference(key => this.#dirty.addUnlessWaiting(key));
  }

  #soilAll(): void {
    this.#stale = true;
    this.#wake();
  }

  #wake(): void {
    if (this.#running !== undefined || this.#options.signal.aborted) return;
    // Whoever wakes us while the kernel cannot be read only adds to the next try.
    if (this.#schedule.mustWait) return;
    this.#running = this.#work()
      .finally(() => this.#hold.end())
      .then(
        () => {
          this.#running = undefined;
          this.#schedule.succeeded();
          this.#schedule.retry(this.#refusals.nextInMs, () => this.resync());
          if (this.#stale || this.pending > 0) this.#wake();
          else this.#heap.idle();
        },
        error => {
          this.#running = undefined;
          this.#onUnreadable(error);
        },
      );
  }

  async #work(): Promise<void> {
    while ((this.#stale || this.pending > 0) && !this.#options.signal.aborted) {
      // The kernel answers at once, so without a turn of the loop each change would be a batch of its own; in one turn comes
      // all that one message of the registry, or one read of the monitor, holds.
      await setImmediate();
      if (this.#options.signal.aborted) break;
      if (this.#stale) await this.#look();
      this.#hold.begin(this.pending);
      await this.#workOn(this.#dirty.take(this.#options.devices));
    }
  }

  async #workOn(keys: ReadonlySet<ObjectKey>): Promise<void> {
    this.#contradicted = new Set();
    this.#heap.worked(keys.size);
    const [wished, wrong] = [new Set<ObjectKey>(), new Set<ObjectKey>()];
    for (const key of keys) {
      if (this.#wished.delete(key)) wished.add(key);
      this.#heldBack.delete(key);
      if (this.#book.differs(key)) wrong.add(key);
      else this.#settle(key);
    }
    try {
      await this.#mend(wrong, wished);
    } catch (error) {
      // As before: what of it was done, the next look shows.
      for (const key of wrong) this.#dirty.add(key);
      for (const key of wished) if (wrong.has(key)) this.#wished.add(key);
      throw error;
    }
  }

  /** Puts right what may be put right now, and holds the rest back. */
  async #mend(wrong: Set<ObjectKey>, wished: ReadonlySet<ObjectKey>): Promise<void> {
    const [desired, found] = [new Map<ObjectKey, KernelObject>(), new Map<ObjectKey, KernelObject>()];
    for (const key of wrong) {
      const wish = this.#book.desired.get(key);
      if (wish !== undefined) desired.set(key, wish);
      const there = this.#book.actual(key);
      if (there !== undefined) found.set(key, there);
    }
    const { actual, failed } = spareDevices(desired, found, name => this.#mirror.hasLower(name));
    const steps = diff(desired, actual).filter(step => this.#mayDelete(step));
    const passed = this.#gate.pass(steps, wished);
    const outcome = await this.#apply(passed);
    if (passed.length < steps.length) {
      const taken = new Set(passed);
      for (const step of steps) {
        const { key } = step;
        if (taken.has(step) || !wrong.delete(key)) continue;
        if (wished.has(key)) this.#wished.add(key);
        if (!this.#refusals.failing.has(key)) this.#heldBack.add(key);
      }
    }
    this.#learn({ ...outcome, failed: [...failed, ...outcome.failed] }, wrong, wished);
  }

  /** Reads the kernel. @throws WeftError when that failed; it has to be tried again */
  async #look(): Promise<void> {
    const { clock } = this.#options;
    const startMs = clock.monotonicMs();
    const meanwhile: KernelEvent[] = [];
    this.#stale = false;
    this.#meanwhile = meanwhile;
    try {
      this.#mirror.take(await this.#snapshot());
    } finally {
      this.#meanwhile = undefined;
    }
    const { failing } = this.#refusals;
    this.#refusals.keep(key => this.#book.desired.has(key) || this.#book.differs(key));
    this.#soilDiffering();
    for (const keys of [failing.keys(), this.#heldBack, this.#released.keys()]) {
      for (const key of keys) this.#dirty.add(key);
    }
    for (const event of meanwhile) this.notice(event);
    const durationMs = clock.monotonicMs() - startMs;
    this.#instruments.looking.observe(durationMs / 1000);
    this.#schedule.looked(durationMs);
  }

  async #snapshot(): Promise<Snapshot> {
    const { socket, below, devices, borrowed } = this.#options;
    const read = () => snapshot(socket, devices, borrowed, below, this.#book.desired);
    const seen = await read();
    let renamed = false;
    for (const name of devices) {
      const wish = this.#book.desired.get(keyOf({ type: 'link', value: { name } }));
      const link = renamedDevice(seen, wish, this.#mirror.indexOf(name));
      if (link === undefined || this.#gate.ask(`name ${name}`, () => this.resync()).type !== 'now') continue;
      if (!(await takeNameBack(socket, link, name))) continue;
      this.#repairs.tellCommand('link', `ip link set ${link.name} name ${name}`);
      renamed = true;
    }
    return renamed ? await read() : seen;
  }

  /** What took the place of something of ours may be replaced, but when ours is no longer wanted it may stay. */
  #mayDelete(step: Step): boolean {
    const { verb, key, object } = step;
    if (verb !== 'delete' || step.differences !== undefined || this.#options.owns(object)) return true;
    const released = this.#released.get(key);
    return released !== undefined && compare(released, object).length === 0;
  }

  /** Devices first, so that they can be prepared before anything is put on them. */
  async #apply(steps: readonly Step[]): Promise<Applied> {
    const { socket, below, clock, prepareDevice } = this.#options;
    const startMs = clock.monotonicMs();
    const firstLater = steps.findIndex(step => step.object.type !== 'link');
    const cut = firstLater < 0 ? steps.length : firstLater;
    const ofLinks = await apply(socket, steps.slice(0, cut), below);
    for (const { verb, object } of ofLinks.done) {
      if (verb === 'add' && object.type === 'link') prepareDevice?.(object.value.name);
    }
    const others = await apply(socket, steps.slice(cut), below);
    this.#mirror.name(others.devices);
    if (steps.length > 0) this.#instruments.applying.observe((clock.monotonicMs() - startMs) / 1000);
    return {
      ...others,
      done: [...ofLinks.done, ...others.done],
      failed: [...ofLinks.failed, ...others.failed],
    };
  }

  #learn({ done, failed }: Applied, keys: ReadonlySet<ObjectKey>, wished: ReadonlySet<ObjectKey>): void {
    this.#counts.add(done);
    for (const step of done) {
      if (this.#contradicted.has(step.key)) continue;
      if (this.#mirror.learn(step)) this.#stale = true;
      // What was on the device went with it.
      if (step.verb === 'delete' && step.object.type === 'link') this.#soilDiffering();
    }
    this.#repairs.tell(done, wished);
    const failedKeys = new Set(failed.map(({ step }) => step.key));
    for (const key of keys) {
      if (failedKeys.has(key)) continue;
      this.#settle(key);
    }
    this.#refusals.take(failed);
    if (failed.some(({ step, error }) => this.#lostDevice(step, error))) this.#stale = true;
  }

  /** Nothing is left to do for this key, unless it has been wished for otherwise meanwhile. */
  #settle(key: ObjectKey): void {
    this.#refusals.resolve(key);
    if (this.#wished.has(key)) return;
    this.#released.delete(key);
    this.#delays.carriedOut(key);
  }

  /** Was this step refused because its device is gone, of which no notice has come yet? */
  #lostDevice({ object }: Step, error: Error): boolean {
    if (object.type === 'link' || !hasCode(error, 'device-missing')) return false;
    const link: KernelObject = { type: 'link', value: { name: deviceOf(object) ?? '' } };
    return !this.lacks(keyOf(link));
  }

  /** Reading failed, or writing did as a whole: nothing is known until it has been read again. */
  #onUnreadable(error: unknown): void {
    this.#stale = true;
    const { log, signal } = this.#options;
    if (signal.aborted) return;
    this.#instruments.refused('look', error);
    const retryInMs = this.#schedule.failed(error, () => this.#wake());
    log.error({ error, retryInMs }, 'the kernel could not be read or written, trying again');
  }
}
