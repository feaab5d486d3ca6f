import type { Clock } from '../base/clock.ts';
import { RepairLimit } from './repair-limit.ts';

export interface WatchOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long to sleep when nobody touches anything. */
  readonly periodMs: () => number;
  /** Looks, repairs, never throws; true when there was something to repair. */
  readonly look: (occasion: 'touched' | 'period') => Promise<boolean>;
  /**
   * Told that a repair is put off because there were so many; gives false when nobody is known to make it necessary,
   * and is told again when somebody touches the firewall meanwhile.
   */
  readonly onHeldBack: (delayMs: number) => boolean;
}

/** After a change: more of the same may follow at once, as when a firewall reloads. */
const settleMs = 50;

/** Looks again when somebody touches the firewall, and each period. */
export class FirewallWatch {
  readonly #options: WatchOptions;
  readonly #limit = new RepairLimit();
  #touched = false;
  #nudged = false;
  #heldUntilMs: number | undefined;
  #toldHeldBack = false;
  #wake = (): void => {};
  /** Resolves after the signal. */
  readonly ended: Promise<void>;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.ended = this.#run();
  }

  /** Somebody changed something of ours. */
  touch(): void {
    this.#touched = true;
    this.#tellHeldBack();
    this.#wake();
  }

  /** The period may have become shorter than what is being slept. */
  nudge(): void {
    if (this.#nudged) return;
    this.#nudged = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    const { clock, signal, periodMs, look } = this.#options;
    while (!signal.aborted) {
      if (!this.#touched && !this.#nudged) await this.#sleep(periodMs());
      if (!this.#touched && this.#nudged) await this.#sleep(periodMs());
      const occasion = this.#touched ? 'touched' : 'period';
      if (this.#touched) await this.#settle();
      if (signal.aborted) return;
      this.#touched = false;
      this.#nudged = false;
      if (await look(occasion)) this.#limit.note(clock.monotonicMs());
    }
  }

  async #settle(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    const delayMs = this.#limit.delayMs(nowMs);
    this.#heldUntilMs = delayMs > 0 ? nowMs + delayMs : undefined;
    this.#toldHeldBack = false;
    this.#tellHeldBack();
    await this.#nap(Math.max(settleMs, delayMs));
    this.#heldUntilMs = undefined;
  }

  /** Once for each time. */
  #tellHeldBack(): void {
    const { clock, onHeldBack } = this.#options;
    if (this.#heldUntilMs === undefined || this.#toldHeldBack) return;
    this.#toldHeldBack = onHeldBack(this.#heldUntilMs - clock.monotonicMs());
  }

  /** Ends early when touched. */
  async #sleep(milliseconds: number): Promise<void> {
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    await this.#nap(milliseconds, waking.signal);
  }

  async #nap(milliseconds: number, waking?: AbortSignal): Promise<void> {
    const { clock, signal } = this.#options;
    const either = waking === undefined ? signal : AbortSignal.any([signal, waking]);
    await clock.sleep(milliseconds, { signal: either }).catch(() => {});
  }
}
