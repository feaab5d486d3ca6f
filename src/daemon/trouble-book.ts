/** Remembers the last warnings and errors that a daemon logged, for whoever asks it how it is. */
import type { Clock } from '../base/clock.ts';
import { describeError, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { LiveTrouble } from '../control/live-status.ts';

/** Chosen: what fits a screen. */
const kept = 20;

export class TroubleBook {
  readonly #clock: Clock;
  readonly #isTrouble: (message: string) => boolean;
  /** In the order in which they were last told; a `Map` keeps it. */
  readonly #troubles = new Map<string, LiveTrouble>();

  /** @param isTrouble for a warning that tells of no trouble, such as one that is over already: false */
  constructor(clock: Clock, isTrouble: (message: string) => boolean = () => true) {
    this.#clock = clock;
    this.#isTrouble = isTrouble;
  }

  /** The newest first; what was told again is there once. */
  get last(): readonly LiveTrouble[] {
    return [...this.#troubles.values()].reverse();
  }

  /** The same log, whose warnings and errors are remembered here. */
  listen(log: Log): Log {
    return {
      debugs: log.debugs,
      debug: (fields, message) => log.debug(fields, message),
      info: (fields, message) => log.info(fields, message),
      warn: (fields, message) => {
        log.warn(fields, message);
        this.#take('warn', fields, message);
      },
      error: (fields, message) => {
        log.error(fields, message);
        this.#take('error', fields, message);
      },
    };
  }

  #take(level: LiveTrouble['level'], fields: TroubleFields, told: string): void {
    if (!this.#isTrouble(told)) return;
    const message = [told, causeIn(fields)].filter(Boolean).join(': ');
    const atMs = this.#clock.wallMs();
    const before = this.#troubles.get(message);
    this.#troubles.delete(message);
    const { sinceMs = atMs, count = 0 } = before ?? {};
    this.#troubles.set(message, {
      atMs,
      sinceMs,
      count: count + 1,
      level,
      message,
      remedy: remedyIn(fields),
    });
    const [oldest] = this.#troubles.keys();
    if (this.#troubles.size > kept && oldest !== undefined) this.#troubles.delete(oldest);
  }
}

/** What the daemon's log lines say besides their sentence. */
interface TroubleFields {
  readonly error?: unknown;
  readonly cause?: unknown;
  readonly problem?: unknown;
  readonly remedy?: unknown;
  readonly by?: unknown;
}

function causeIn({ error, cause, problem, by }: TroubleFields): string {
  const parts = [
    ...[error, cause].filter(one => one !== undefined).map(describeError),
    ...(typeof problem === 'string' ? [problem] : []),
    ...(typeof by === 'string' ? [`by ${by}`] : []),
  ];
  return parts.join(', ');
}

function remedyIn({ error, remedy }: TroubleFields): string | undefined {
  if (typeof remedy === 'string') return remedy;
  return error instanceof WeftError ? error.remedy : undefined;
}
