/** Tells of repairs: what was put right, and who may have put it wrong. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { Log } from '../base/log.ts';
import { stepCommand, stepReason } from '../state/describe.ts';
import type { Step } from '../state/diff.ts';
import { type KernelObject, keyOf, type ObjectKey } from '../state/kernel-object.ts';

/** More repairs at once than this are told as a number. */
const toldOneByOne = 10;

export class RepairLog {
  readonly counts = new Map<KernelObject['type'], number>();
  readonly #log: Log;
  readonly #suspects = new Map<ObjectKey, string>();
  #first = true;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Remembers who caused a notice: a netlink port is its owner's process id as a rule, 0 the kernel itself. */
  suspect(key: ObjectKey, port: number): void {
    const who = port === 0 || port === process.pid ? undefined : `pid ${port}${commandOf(port)}`;
    if (who !== undefined) this.#suspects.set(key, who);
  }

  /** Says that somebody keeps undoing our work, once for each fight. */
  complain(key: ObjectKey, delayMs: number): void {
    const by = this.#suspects.get(key) ?? 'somebody';
    this.#log.warn(
      { key, by, retryInMs: delayMs },
      'something keeps changing what is ours: repairing it more and more slowly',
    );
  }

  /** Tells of steps taken; those whose key is in `wished` were asked for, the others are repairs. */
  tell(done: readonly Step[], wished: ReadonlySet<ObjectKey>): void {
    const repairs = this.#first ? [] : done.filter(step => !wished.has(keyOf(step.object)));
    this.#first = false;
    for (const step of done) if (!repairs.includes(step)) this.#log.debug(reasonOf(step), stepCommand(step));
    for (const { object } of repairs) this.counts.set(object.type, (this.counts.get(object.type) ?? 0) + 1);
    if (repairs.length > toldOneByOne)
      this.#log.warn({ entries: repairs.length }, 'repaired what somebody changed');
    else for (const step of repairs) this.#tellOne(step);
    this.#suspects.clear();
  }

  #tellOne(step: Step): void {
    const by = this.#suspects.get(keyOf(step.object));
    this.#log.warn(
      { ...reasonOf(step), ...(by === undefined ? {} : { by }) },
      `repaired: ${stepCommand(step)}`,
    );
  }
}

function reasonOf(step: Step): { readonly reason?: string } {
  const reason = stepReason(step);
  return reason === '' ? {} : { reason };
}

/** ` (NetworkManager)`, while the process is there. */
function commandOf(pid: number): string {
  try {
    return ` (${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()})`;
  } catch {
    return '';
  }
}
