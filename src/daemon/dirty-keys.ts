/** What is to be compared with the kernel, and in which order. */
import { keyOf, type LinkName, type ObjectKey } from '../state/kernel-object.ts';

/** So many objects are dealt with in one turn. */
export const keysPerTurn = 2048;

/** In the order of their coming, but that each is put off once at most for those that come after it, however many there are. */
export class DirtyKeys {
  #fresh = new Set<ObjectKey>();
  /** Waiting for longer: what comes meanwhile goes first. */
  #backlog = new Set<ObjectKey>();

  get size(): number {
    return this.#fresh.size + this.#backlog.size;
  }

  /** Also one that has been put off already comes first again. */
  add(key: ObjectKey): void {
    this.#fresh.add(key);
  }

  /** One that is waiting keeps its place. */
  addUnlessWaiting(key: ObjectKey): void {
    if (!this.#backlog.has(key)) this.#fresh.add(key);
  }

  /**
   * Gives as many as keep others waiting only for a moment.
   * @param devices which come first: as long as one is down the kernel refuses all that shall be on it
   */
  take(devices: readonly LinkName[]): Set<ObjectKey> {
    const keys = new Set<ObjectKey>();
    for (const name of devices) {
      const key = keyOf({ type: 'link', value: { name } });
      if (this.#fresh.delete(key) || this.#backlog.delete(key)) keys.add(key);
    }
    move(this.#fresh, keys);
    if (this.#backlog.size === 0) [this.#fresh, this.#backlog] = [this.#backlog, this.#fresh];
    else {
      for (const key of this.#fresh) this.#backlog.add(key);
      this.#fresh.clear();
    }
    move(this.#backlog, keys);
    return keys;
  }
}

/** Fills `to` up to what is dealt with in one turn. */
function move(from: Set<ObjectKey>, to: Set<ObjectKey>): void {
  for (const key of from) {
    if (to.size >= keysPerTurn) return;
    to.add(key);
    from.delete(key);
  }
}
