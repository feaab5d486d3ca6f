/**
 * Follows the interface to the underlay: its address, its MTU, its name, or another one in its place. The choice is
 * made again, by the same rules, a moment after links, addresses or routes have changed.
 */
import type { Clock } from '../base/clock.ts';
import { describeError, WeftError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import { everything, prefixContains } from '../base/prefix.ts';
import { type ChosenInterface, chooseInterface, type UnderlayView } from '../host/external-interface.ts';
import type { InterfaceChoice } from '../host/interface-choice.ts';
import type { KernelEvent } from '../kernel/monitor.ts';

export interface UnderlayWatchOptions {
  readonly choice: InterfaceChoice;
  readonly families: readonly Family[];
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  read(): Promise<UnderlayView>;
  /** The choice is another one than before. */
  onChange(chosen: ChosenInterface, view: UnderlayView): void;
}

/** DHCP clients and interface managers change several things in a row. */
const settleMs = 250;

export class UnderlayWatch {
  readonly #options: UnderlayWatchOptions;
  #current: ChosenInterface;
  #waiting = false;
  #choosing: Promise<void> = Promise.resolve();
  #problem = '';
  /** Why a family of the network is missing, as last told. */
  #missing: string;

  constructor(options: UnderlayWatchOptions, current: ChosenInterface) {
    this.#options = options;
    this.#current = current;
    this.#missing = describeMissing(current);
  }

  /** Takes a notice of the kernel's monitor. */
  notice(event: KernelEvent): void {
    if (event.type === 'overrun' || this.#concernsUnderlay(event)) this.check();
  }

  /** Chooses again, soon. */
  check(): void {
    const { clock, signal } = this.#options;
    if (this.#waiting || signal.aborted) return;
    this.#waiting = true;
    this.#choosing = this.#choosing
      .then(() => clock.sleep(settleMs, { signal }))
      .then(() => {
        this.#waiting = false;
        return this.#choose();
      })
      .catch(error => {
        if (!signal.aborted) this.#options.log.error({ error }, 'following the underlay failed');
      });
  }

  async #choose(): Promise<void> {
    const { signal, onChange } = this.#options;
    const found = await this.#look();
    if (found === undefined || signal.aborted || sameChoice(found.chosen, this.#current)) return;
    this.#current = found.chosen;
    onChange(found.chosen, found.view);
  }

  /** What is chosen now; undefined, and told, when nothing can be. */
  async #look(): Promise<{ readonly chosen: ChosenInterface; readonly view: UnderlayView } | undefined> {
    const { log, read } = this.#options;
    try {
      const view = await read();
      const found = await this.#again(view);
      const chosen = keepMissing(found, this.#current);
      this.#tellMissing(found);
      if (this.#problem !== '') log.info({ interface: chosen.external.name }, 'the underlay is there again');
      this.#problem = '';
      return { chosen, view };
    } catch (error) {
      const problem = describeError(error);
      const remedy = error instanceof WeftError ? error.remedy : undefined;
      if (problem !== this.#problem) {
        log.warn({ error, remedy }, 'the way to the underlay is gone: everything stays as it is');
      }
      this.#problem = problem;
      return undefined;
    }
  }

  #tellMissing(found: ChosenInterface): void {
    const { log } = this.#options;
    const missing = describeMissing(found);
    if (missing === this.#missing) return;
    this.#missing = missing;
    for (const { family, why, remedy } of found.missing) {
      log.warn({ remedy }, `IPv${family} stays as it is, the other family goes on: ${why}`);
    }
    if (found.missing.length === 0) log.info({}, 'both families have an address on the underlay again');
  }

  #concernsUnderlay({ object }: Exclude<KernelEvent, { type: 'overrun' }>): boolean {
    if (object.type === 'link' || object.type === 'address') return true;
    if (object.type !== 'route') return false;
    const { dst } = object.value;
    const { ifaceCanReach } = this.#options.choice;
    const reaches = ifaceCanReach !== undefined && prefixContains(dst, ifaceCanReach);
    return reaches || dst === everything[4] || dst === everything[6];
  }

  /** By the operator's rules; by number when only the name has changed. */
  async #again(view: UnderlayView): Promise<ChosenInterface> {
    const { choice, families } = this.#options;
    try {
      return await chooseInterface(choice, view, families);
    } catch (error) {
      const renamed = view.links.find(link => link.index === this.#current.index);
      if (renamed === undefined || renamed.name === this.#current.external.name) throw error;
      return await chooseInterface({ ...choice, iface: [renamed.name] }, view, families);
    }
  }
}

/**
 * The choice with the addresses that were ours of a family that has none now: they are most likely to come back, and peers
 * know them.
 * @throws WeftError `interface-without-address` when the choice is another interface: half a move is none
 */
function keepMissing(found: ChosenInterface, current: ChosenInterface): ChosenInterface {
  const { external, publicIp, publicIpv6 } = current;
  const lost = found.missing.find(
    ({ family }) => (family === 4 ? external.ipv4 : external.ipv6) !== undefined,
  );
  if (lost === undefined) return found;
  if (found.index !== current.index) {
    throw new WeftError('interface-without-address', lost.why, { remedy: lost.remedy });
  }
  const [ipv4, ipv6] = [found.external.ipv4 ?? external.ipv4, found.external.ipv6 ?? external.ipv6];
  return {
    ...found,
    external: { ...found.external, ipv4, ipv6 },
    publicIp: found.publicIp ?? publicIp,
    publicIpv6: found.publicIpv6 ?? publicIpv6,
  };
}

function describeMissing({ missing }: ChosenInterface): string {
  return missing.map(({ why }) => why).join('; ');
}

function sameChoice(one: ChosenInterface, other: ChosenInterface): boolean {
  const text = ({ external, index, publicIp, publicIpv6 }: ChosenInterface): string =>
    JSON.stringify([
      external.name,
      external.mtuBytes,
      external.ipv4,
      external.ipv6,
      external.routes,
      index,
      publicIp,
      publicIpv6,
    ]);
  return text(one) === text(other);
}
