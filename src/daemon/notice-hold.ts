import { keysPerTurn } from './dirty-keys.ts';

/** More than this keep the notices waiting until they are dealt with: hearing of each of our own FDB entries takes as long as writing it. */
const fewAtOnce = 4 * keysPerTurn;
/** So many notices find room in the kernel's queue, see NetlinkMonitor; if all of them were somebody else's, even. */
const mostHeld = 20 * keysPerTurn;

/** Whether notices, mostly of what is being written, shall wait. */
export class NoticeHold {
  readonly #onChange: (hold: boolean) => void;
  #holding = false;

  constructor(onChange: (hold: boolean) => void) {
    this.#onChange = onChange;
  }

  /** Notices wait from now on if so many objects are about to be written as is worth it, and until {@link end}. */
  begin(pending: number): void {
    if (pending > fewAtOnce && pending <= mostHeld) this.#turn(true);
  }

  end(): void {
    this.#turn(false);
  }

  #turn(hold: boolean): void {
    if (hold === this.#holding) return;
    this.#holding = hold;
    this.#onChange(hold);
  }
}
