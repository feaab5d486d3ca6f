/** Which steps may be taken now: what the kernel refused, and what somebody fights over, has to wait. */
import type { Clock } from '../base/clock.ts';
import type { Step } from '../state/diff.ts';
import { deviceOf, type LinkName, type ObjectKey } from '../state/kernel-object.ts';
import type { Refusals } from './refusals.ts';
import type { RepairLog } from './repair-log.ts';
import { RepairPace, type Verdict } from './repair-pace.ts';

export interface GateTools {
  readonly clock: Clock;
  readonly refusals: Refusals;
  readonly repairs: RepairLog;
  /** The wait for this object is over. */
  onDue(key: ObjectKey): void;
  /** Calls `act` after a while. */
  later(delayMs: number, act: () => void): void;
}

/** Devices that are mended, or whose addresses are. */
interface Mended {
  readonly link: ReadonlySet<LinkName>;
  readonly address: ReadonlySet<LinkName>;
}

export class RepairGate {
  readonly #tools: GateTools;
  readonly #pace = new RepairPace();
  /** Mended a moment ago. */
  #shaken: Mended = { link: new Set(), address: new Set() };

  constructor(tools: GateTools) {
    this.#tools = tools;
  }

  /**
   * Those of `steps` that may be taken now; whatever else is wrong is made known by `onDue` or by the refusals. Objects
   * in `wished` were asked for, and are no repairs.
   */
  pass(steps: readonly Step[], wished: ReadonlySet<ObjectKey>): Step[] {
    const mended: Mended = { link: devicesOf(steps, 'link'), address: devicesOf(steps, 'address') };
    const shaken: Mended = {
      link: new Set([...mended.link, ...this.#shaken.link]),
      address: new Set([...mended.address, ...this.#shaken.address]),
    };
    // What is made anew is two steps, and one repair.
    const verdicts = new Map<ObjectKey, boolean>();
    const allows = (step: Step): boolean => {
      const known = verdicts.get(step.key);
      if (known !== undefined) return known;
      const verdict = this.#allows(step.key, step, shaken);
      verdicts.set(step.key, verdict);
      return verdict;
    };
    const passed = steps.filter(step => wished.has(step.key) || allows(step));
    this.#shaken = mended;
    return passed;
  }

  /** Forgets what has been at peace for long. */
  prune(): void {
    this.#pace.prune(this.#tools.clock.monotonicMs());
  }

  /** May `what` be repaired now? When not, `again` is called in time. */
  ask(what: string, again: () => void): Verdict {
    const verdict = this.#pace.ask(what, this.#tools.clock.monotonicMs());
    // Timers may come a little early, and would find that the wait goes on.
    if (verdict.type === 'wait') this.#tools.later(Math.ceil(verdict.delayMs) + 1, again);
    return verdict;
  }

  #allows(key: ObjectKey, step: Step, shaken: Mended): boolean {
    const { refusals, repairs, onDue } = this.#tools;
    if (refusals.failing.has(key)) return !refusals.isWaiting(key);
    if (isConsequence(step, shaken)) return true;
    const verdict = this.ask(quarrelOf(key, step), () => onDue(key));
    if (verdict.type === 'wait' && verdict.complain) repairs.complain(step, verdict.delayMs);
    return verdict.type === 'now';
  }
}

function devicesOf(steps: readonly Step[], type: 'link' | 'address'): Set<LinkName> {
  const ofType = steps.filter(({ object }) => object.type === type);
  return new Set(ofType.map(({ object }) => deviceOf(object) ?? ''));
}

/** What is missing on a device that was lost went with it, and nobody fights over it; so with a device's addresses. */
function isConsequence({ object }: Step, shaken: Mended): boolean {
  const dev = deviceOf(object) ?? '';
  if (object.type === 'link') return false;
  return shaken.link.has(dev) || (object.type !== 'address' && shaken.address.has(dev));
}

/** What a fight is about. A link has much that can be fought over, each without harm to the rest. */
function quarrelOf(key: ObjectKey, step: Step): string {
  if (step.object.type !== 'link' || step.verb === 'add') return key;
  return [key, ...(step.differences ?? []).map(({ field }) => field)].join(' ');
}
