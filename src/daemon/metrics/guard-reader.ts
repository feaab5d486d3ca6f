import type { GuardReport } from '../../traffic/guard-report.ts';
import type { KeptFirewall } from '../traffic.ts';

/** Reading it starts a program, which lists all peers. */
const keptMs = 10_000;
/** The firewall's programs wait for each other, a scrape must not. */
const patienceMs = 1000;

type Firewall = KeptFirewall['firewall'];

interface Read {
  readonly report: GuardReport | undefined;
  readonly atMs: number;
}

/** What the guards have dropped, as of at most ten seconds ago unless the firewall is slow. */
export class GuardReader {
  readonly #nowMs: () => number;
  readonly #known = new WeakMap<Firewall, Read>();
  readonly #reading = new WeakMap<Firewall, Promise<void>>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Undefined when it has never been read. */
  async read(firewall: Firewall): Promise<GuardReport | undefined> {
    const known = this.#known.get(firewall);
    if (known === undefined || this.#nowMs() - known.atMs >= keptMs) await this.#refresh(firewall);
    return this.#known.get(firewall)?.report;
  }

  async #refresh(firewall: Firewall): Promise<void> {
    const reading = this.#reading.get(firewall) ?? this.#begin(firewall);
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, patienceMs);
    await Promise.race([reading, late.promise]);
    clearTimeout(timer);
  }

  #begin(firewall: Firewall): Promise<void> {
    const reading = firewall
      .guardReport()
      // What was known stays, and what is wrong the firewall tells itself.
      .catch(() => this.#known.get(firewall)?.report)
      .then(report => void this.#known.set(firewall, { report, atMs: this.#nowMs() }))
      .finally(() => this.#reading.delete(firewall));
    this.#reading.set(firewall, reading);
    return reading;
  }
}
