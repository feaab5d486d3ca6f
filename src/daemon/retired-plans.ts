import type { Clock } from '../base/clock.ts';
import { backendsOf, type Membership } from '../host/membership.ts';
import { deviceOf, type KernelObject, keyOf, type LinkName } from '../state/kernel-object.ts';
import type { Reconciler } from './reconciler.ts';

export interface RetiredPlansTools {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  reconciler(): Pick<Reconciler, 'settled' | 'failing'>;
  /** Told when one more is gone. */
  onGone(): void;
}

const checkMs = 100;

/** Devices that no plan in force names any more: in hand until they are gone, and not longer, for then they are others'. */
export class RetiredPlans {
  readonly #tools: RetiredPlansTools;
  readonly #retired = new Set<{ readonly devices: readonly LinkName[]; readonly plan: Membership }>();

  constructor(tools: RetiredPlansTools) {
    this.#tools = tools;
  }

  get devices(): LinkName[] {
    return [...this.#retired].flatMap(({ devices }) => devices);
  }

  get plans(): Membership[] {
    return [...this.#retired].map(({ plan }) => plan);
  }

  /** Did a plan make this object, on a device of its that is still in hand? */
  owns(object: KernelObject): boolean {
    const device = deviceOf(object) ?? '';
    return [...this.#retired].some(
      ({ devices, plan }) =>
        devices.includes(device) && backendsOf(plan).some(({ backend, host }) => backend.owns(host, object)),
    );
  }

  /** Takes these devices of a plan in hand, which is in force no longer. */
  async add(devices: readonly LinkName[], plan: Membership): Promise<void> {
    const { clock, signal, reconciler, onGone } = this.#tools;
    const entry = { devices, plan };
    this.#retired.add(entry);
    const keys = devices.map(name => keyOf({ type: 'link', value: { name } }));
    do {
      await clock.sleep(checkMs, { signal }).catch(() => {});
      await reconciler().settled();
    } while (!signal.aborted && keys.some(key => reconciler().failing.has(key)));
    this.#retired.delete(entry);
    if (!signal.aborted) onGone();
  }
}
