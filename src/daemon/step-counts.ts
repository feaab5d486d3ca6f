import type { Step } from '../state/diff.ts';
import type { KernelObject } from '../state/kernel-object.ts';
import type { Instruments } from './metrics/instruments.ts';

/** What was done since it was last asked. */
export interface Tally {
  readonly added: number;
  readonly replaced: number;
  readonly deleted: number;
}

const nothing: Tally = { added: 0, replaced: 0, deleted: 0 };
const participle = { add: 'added', replace: 'replaced', delete: 'deleted' } as const;

/** Counts the changes that the kernel has taken, for the log and for the metrics. */
export class StepCounts {
  readonly #instruments: Instruments;
  #tally = nothing;

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
  }

  add(done: readonly Step[]): void {
    const counts = new Map<Step['verb'], Map<KernelObject['type'], number>>();
    for (const { verb, object } of done) {
      const ofVerb = counts.get(verb) ?? new Map<KernelObject['type'], number>();
      counts.set(verb, ofVerb.set(object.type, (ofVerb.get(object.type) ?? 0) + 1));
    }
    for (const [verb, ofVerb] of counts) {
      const field = participle[verb];
      for (const [object, count] of ofVerb) {
        this.#tally = { ...this.#tally, [field]: this.#tally[field] + count };
        this.#instruments.steps.add({ verb, object }, count);
      }
    }
  }

  /** Begins to count anew. */
  take(): Tally {
    const tally = this.#tally;
    this.#tally = nothing;
    return tally;
  }
}
