/** Tells of repairs, and keeps the last of them: what was put right, and who may have put it wrong. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { LiveRepair } from '../control/live-status.ts';
import { stepCommand, stepReason } from '../state/describe.ts';
import type { Step } from '../state/diff.ts';
import type { KernelObject, ObjectKey } from '../state/kernel-object.ts';

/** More repairs at once than this are told as a number. */
const toldOneByOne = 10;
/** Suspects whose deeds needed no repair after all are forgotten when there are so many. */
const suspectsKept = 1000;
/** A process's first netlink socket has its process id for a port; the kernel numbers the others from here on. */
const firstNumberedPort = 0x8000_0000;
/** So many of the last repairs are kept to be asked for. */
const keptToTell = 20;

const oneLine = 'repaired: ';
const manyLine = 'repaired what somebody changed';

/** Is it what a {@link RepairLog} logs of what is well again? */
export function tellsOfRepair(message: string): boolean {
  return message.startsWith(oneLine) || message === manyLine;
}

export class RepairLog {
  readonly counts = new Map<KernelObject['type'], number>();
  readonly #log: Log;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #last: LiveRepair[] = [];
  readonly #suspects = new Map<ObjectKey, string>();
  #first = true;

  constructor(log: Log, clock: Pick<Clock, 'wallMs'>) {
    this.#log = log;
    this.#clock = clock;
  }

  /** The newest first. */
  get last(): readonly LiveRepair[] {
    return this.#last;
  }

  /** Remembers which netlink port caused a notice, as far as it tells of a process; 0 is the kernel itself. */
  suspect(key: ObjectKey, port: number): void {
    if (port === 0 || port === process.pid || port >= firstNumberedPort) return;
    if (this.#suspects.size >= suspectsKept) this.#suspects.clear();
    // Now, because a command is gone in a moment.
    this.#suspects.set(key, `pid ${port}${commandOf(port)}`);
  }

  /** Says that somebody keeps undoing our work. */
  complain(step: Step, delayMs: number): void {
    const by = this.#suspects.get(step.key) ?? 'unknown';
    this.#log.warn(
      { repair: stepCommand(step), ...reasonOf(step), by, retryInMs: delayMs },
      'something keeps changing what is ours: repairing it more and more slowly',
    );
  }

  /** Tells of steps taken; those whose key is in `wished` were asked for, the others are repairs. */
  tell(done: readonly Step[], wished: ReadonlySet<ObjectKey>): void {
    const isRepair = (step: Step): boolean => !this.#first && !wished.has(step.key);
    const repairs = done.filter(isRepair);
    if (this.#log.debugs !== false) {
      for (const step of done) if (!isRepair(step)) this.#log.debug(reasonOf(step), stepCommand(step));
    }
    for (const { object } of repairs) this.#count(object.type);
    this.#keep(repairs.slice(-keptToTell).map(step => this.#toldLater(step)));
    if (repairs.length > toldOneByOne) this.#tellAll(repairs);
    else for (const step of repairs) this.#tellOne(step);
    if (this.#suspects.size > 0) for (const step of done) this.#suspects.delete(step.key);
    this.#first = false;
  }

  /** Tells of a repair that is no step. */
  tellCommand(type: KernelObject['type'], command: string): void {
    this.#count(type);
    this.#keep([{ command, reason: undefined, by: undefined }]);
    this.#log.warn({}, oneLine + command);
  }

  #count(type: KernelObject['type']): void {
    this.counts.set(type, (this.counts.get(type) ?? 0) + 1);
  }

  #keep(repairs: ReadonlyArray<Omit<LiveRepair, 'atMs'>>): void {
    const atMs = this.#clock.wallMs();
    this.#last.unshift(...repairs.map(repair => ({ atMs, ...repair })).reverse());
    this.#last.length = Math.min(this.#last.length, keptToTell);
  }

  #toldLater(step: Step): Omit<LiveRepair, 'atMs'> {
    const by = this.#suspects.get(step.key);
    return { command: stepCommand(step), reason: stepReason(step) || undefined, by };
  }

  #tellOne(step: Step): void {
    const by = this.#suspects.get(step.key);
    this.#log.warn({ ...reasonOf(step), ...(by === undefined ? {} : { by }) }, oneLine + stepCommand(step));
  }

  #tellAll(repairs: readonly Step[]): void {
    const by = [...new Set(repairs.flatMap(step => this.#suspects.get(step.key) ?? []))];
    this.#log.warn({ entries: repairs.length, ...(by.length === 0 ? {} : { by: by.join(', ') }) }, manyLine);
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
