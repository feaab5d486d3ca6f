/** iptables-save and iptables-restore of one variant, for both families. */
import type { Family } from '../base/ip.ts';
import { compareIptables } from '../traffic/iptables-compare.ts';
import { type IptablesState, parseIptablesSave } from '../traffic/iptables-save.ts';
import { noIptablesTables } from '../traffic/iptables-tables.ts';
import type { RuleNames } from '../traffic/names.ts';
import type { EngineOptions, IptablesVariant } from './engine.ts';
import type { Programs } from './programs.ts';

/** How long to wait for a lock that another iptables holds; kube-proxy keeps it for seconds on large machines. */
const lockSeconds = 5;

export class IptablesPrograms {
  readonly #programs: Programs;
  readonly #variant: IptablesVariant | undefined;

  /** @param variant undefined: whichever is called `iptables` */
  constructor(programs: Programs, variant: IptablesVariant | undefined) {
    this.#programs = programs;
    this.#variant = variant;
  }

  has(family: Family): boolean {
    return (
      this.#programs.has(this.#name(family, 'save')) && this.#programs.has(this.#name(family, 'restore'))
    );
  }

  /** All tables, in one process. @throws WeftError see {@link Programs} */
  async save(
    family: Family,
    { signal }: EngineOptions,
    options: readonly string[] = [],
  ): Promise<IptablesState> {
    return parseIptablesSave(await this.#programs.run([this.#name(family, 'save'), ...options], { signal }));
  }

  /** @throws WeftError see {@link Programs} */
  async restore(family: Family, text: string, { signal }: EngineOptions): Promise<void> {
    const argv = [this.#name(family, 'restore'), '--noflush', '--wait', `${lockSeconds}`];
    await this.#programs.run(argv, { signal, input: text });
  }

  /** Which of the two it is. @throws WeftError see {@link Programs} */
  async variant({ signal }: EngineOptions): Promise<IptablesVariant> {
    if (this.#variant !== undefined) return this.#variant;
    const version = await this.#programs.run(['iptables', '--version'], { signal });
    return version.includes('nf_tables') ? 'nft' : 'legacy';
  }

  /** Takes away all of these names; gives what there was. Nothing is there where there is no program for it. */
  async clean(family: Family, own: Pick<RuleNames, 'isOwnChain'>, options: EngineOptions): Promise<string[]> {
    if (!this.has(family)) return [];
    const { drift, restore } = compareIptables(
      noIptablesTables,
      await this.save(family, options),
      new Map(),
      own,
    );
    if (drift.length > 0) await this.restore(family, restore, options);
    return drift.map(what => `IPv${family} ${what}`);
  }

  #name(family: Family, verb: 'save' | 'restore'): string {
    const program = family === 4 ? 'iptables' : 'ip6tables';
    return this.#variant === undefined ? `${program}-${verb}` : `${program}-${this.#variant}-${verb}`;
  }
}
