import type { Clock } from '../base/clock.ts';
import type { WatchedLease } from '../registry/subnet-watch.ts';

/** How we stand with the registry, from what the watch of the leases tells. */
export class RegistryStatus {
  readonly #clock: Clock;
  #connected: boolean | undefined;
  #staleSinceWallMs: number | undefined;
  #reconnects = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined until the watch has told anything. */
  get connected(): boolean | undefined {
    return this.#connected;
  }

  /** Since when changes there are not known here, by the wall clock; undefined when they are. */
  get staleSinceWallMs(): number | undefined {
    return this.#staleSinceWallMs;
  }

  /** How often it was lost and found again. */
  get reconnects(): number {
    return this.#reconnects;
  }

  take(event: WatchedLease): void {
    // What is told was read a moment ago.
    if (event.type !== 'state' || event.connected) this.#found();
    else {
      this.#connected = false;
      this.#staleSinceWallMs ??= this.#clock.wallMs();
    }
  }

  #found(): void {
    if (this.#connected === false) this.#reconnects++;
    this.#connected = true;
    this.#staleSinceWallMs = undefined;
  }
}
