import { hasCode, WeftError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
import {
  addGuardReports,
  emptyGuardReport,
  type GuardReport,
  iptablesGuardReport,
} from '../traffic/guard-report.ts';
import { compareIptables, learnSpelling } from '../traffic/iptables-compare.ts';
import type { IptablesState } from '../traffic/iptables-save.ts';
import { iptablesTables } from '../traffic/iptables-tables.ts';
import { flannelNames, type RuleNames } from '../traffic/names.ts';
import { emptyListing } from '../traffic/nft-listing.ts';
import { iptablesObstacles, nftObstacles, type Obstacle } from '../traffic/obstacles.ts';
import type { FamilyRules, Ruleset } from '../traffic/ruleset.ts';
import type {
  EngineOptions,
  FirewallEngine,
  IptablesVariant,
  ObstacleSearch,
  PeerSetChange,
} from './engine.ts';
import { eachFamily } from './families.ts';
import { IptablesPrograms } from './iptables-programs.ts';
import { NftProgram } from './nft-program.ts';
import type { Programs } from './programs.ts';

/**
 * iptables, by its save and restore programs: one process to look at a family, one more to change it. Atomic per
 * table in the legacy variant, altogether in the nft one.
 */
export class IptablesEngine implements FirewallEngine {
  readonly name = 'iptables';
  readonly #programs: Programs;
  readonly #iptables: IptablesPrograms;
  readonly #tellsChanges: () => boolean;
  readonly #names: RuleNames;
  #variant: IptablesVariant | undefined;
  readonly #spelling: Map<string, string>;
  readonly #seen = new Map<Family, IptablesState>();
  /** Families that shall have no rules, and have none. */
  readonly #cleaned = new Set<Family>();

  /**
   * @param heard whether somebody listens to nftables' changes, which are those of one of the variants too
   * @param spelling how the programs print our rules, as far as an engine has learnt it
   */
  constructor(
    programs: Programs,
    variant: IptablesVariant | undefined,
    heard: () => boolean,
    names: RuleNames = flannelNames,
    spelling: Map<string, string> = new Map(),
  ) {
    this.#spelling = spelling;
    this.#programs = programs;
    this.#iptables = new IptablesPrograms(programs, variant);
    this.#variant = variant;
    this.#tellsChanges = heard;
    this.#names = names;
  }

  get tellsChanges(): boolean {
    return this.#variant === 'nft' && this.#tellsChanges();
  }

  get variant(): IptablesVariant | undefined {
    return this.#variant;
  }

  async check(ruleset: Ruleset, options: EngineOptions): Promise<string[]> {
    return await eachFamily(ruleset, async rules => {
      return (await this.#compare(rules, options)).drift;
    });
  }

  async apply(ruleset: Ruleset, options: EngineOptions): Promise<string[]> {
    await this.#learnVariant(options);
    const cleaned = await this.#cleanUnwanted(ruleset, options);
    const mended = await eachFamily(ruleset, rules => this.#applyFamily(rules, options));
    return [...cleaned, ...mended];
  }

  async changePeers(_: PeerSetChange, ruleset: () => Ruleset, options: EngineOptions): Promise<boolean> {
    await this.apply(ruleset(), options);
    return false;
  }

  async obstacles(
    ruleset: Ruleset,
    { path, everywhere }: ObstacleSearch,
    options: EngineOptions,
  ): Promise<Obstacle[]> {
    const found = ruleset.families.flatMap(rules =>
      iptablesObstacles(rules, path(rules.family), this.#seen.get(rules.family) ?? new Map()),
    );
    return everywhere ? [...found, ...(await this.#elsewhere(ruleset, path, options))] : found;
  }

  async guardReport(ruleset: Ruleset, options: EngineOptions): Promise<GuardReport> {
    const guarded = ruleset.families.filter(rules => rules.guard !== undefined);
    const states = guarded.map(({ family }) => this.#iptables.save(family, options, ['-c', '-t', 'mangle']));
    return (await Promise.all(states))
      .map(state => iptablesGuardReport(state, this.#names))
      .reduce(addGuardReports, emptyGuardReport);
  }

  async clean(options: EngineOptions): Promise<string[]> {
    const cleaned = ([4, 6] as const).map(family => this.#iptables.clean(family, this.#names, options));
    return (await Promise.all(cleaned)).flat();
  }

  close(): void {}

  async #learnVariant(options: EngineOptions): Promise<void> {
    try {
      this.#variant ??= await this.#iptables.variant(options);
    } catch (error) {
      // The families' own programs are asked next, and tell it better.
      if (!hasCode(error, 'firewall-program-missing')) throw error;
    }
  }

  /** Once: nobody but an earlier run can have left anything, and every look costs a process. */
  async #cleanUnwanted({ families }: Ruleset, options: EngineOptions): Promise<string[]> {
    for (const { family } of families) this.#cleaned.delete(family);
    const unwanted = ([4, 6] as const)
      .filter(family => !families.some(one => one.family === family))
      .filter(family => !this.#cleaned.has(family));
    const cleaned = await Promise.all(
      unwanted.map(family => this.#iptables.clean(family, this.#names, options)),
    );
    for (const family of unwanted) this.#cleaned.add(family);
    return cleaned.flat();
  }

  async #applyFamily(rules: FamilyRules, options: EngineOptions): Promise<readonly string[]> {
    const { drift, restore } = await this.#compare(rules, options);
    if (drift.length === 0) return [];
    await this.#iptables.restore(rules.family, restore, options);
    await this.#verify(rules, options);
    return drift;
  }

  async #compare(rules: FamilyRules, options: EngineOptions): Promise<ReturnType<typeof compareIptables>> {
    const state = await this.#iptables.save(rules.family, options);
    this.#seen.set(rules.family, state);
    return compareIptables(iptablesTables(rules), state, this.#spelling, this.#names);
  }

  /** What iptables took is what it prints now; another version may print the same in other words. */
  async #verify(rules: FamilyRules, options: EngineOptions): Promise<void> {
    if ((await this.#compare(rules, options)).drift.length === 0) return;
    const tables = iptablesTables(rules);
    const state = this.#seen.get(rules.family) ?? new Map();
    const spelling = learnSpelling(tables, state);
    const { drift } = compareIptables(tables, state, spelling, this.#names);
    if (drift.length > 0) throw notTaken(this.name, drift);
    for (const [ours, theirs] of spelling ?? []) this.#spelling.set(ours, theirs);
  }

  async #elsewhere(
    ruleset: Ruleset,
    path: ObstacleSearch['path'],
    options: EngineOptions,
  ): Promise<Obstacle[]> {
    const other = new IptablesPrograms(this.#programs, 'legacy');
    const nft = new NftProgram(this.#programs);
    const listing = nft.there ? await nft.listAll(options) : emptyListing;
    const found = ruleset.families.map(async rules => {
      const way = path(rules.family);
      // With the nft variant its tables are in the listing, and have been looked at already.
      if (this.#variant !== 'nft') return nftObstacles(rules, way, listing);
      const legacy = other.has(rules.family) ? await other.save(rules.family, options) : new Map();
      return [
        ...nftObstacles(rules, way, withoutIptables(listing)),
        ...iptablesObstacles(rules, way, legacy),
      ];
    });
    return (await Promise.all(found)).flat();
  }
}

export function notTaken(engine: string, drift: readonly string[]): WeftError {
  return new WeftError(
    'firewall-not-taken',
    `${engine} took our rules, but what is there now differs: ${drift.join('; ')}`,
    { remedy: 'another program may be changing the same rules; this is tried again each period' },
  );
}

function withoutIptables(listing: Awaited<ReturnType<NftProgram['listAll']>>): typeof listing {
  const names = ['filter', 'nat', 'mangle', 'raw', 'security'];
  return {
    ...listing,
    chains: listing.chains.filter(
      ({ family, table }) => !((family === 'ip' || family === 'ip6') && names.includes(table)),
    ),
  };
}
