import { describeError, hasCode } from '../base/errors.ts';
import { type Family, familyOf } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import type { NftSocket } from '../sys/nft-socket.ts';
import {
  addGuardReports,
  emptyGuardReport,
  type GuardReport,
  nftGuardReport,
} from '../traffic/guard-report.ts';
import { flannelNames, nftNames, type RuleNames } from '../traffic/names.ts';
import { compareNft, learnNftSpelling, type NftDifference } from '../traffic/nft-compare.ts';
import type { NftListing } from '../traffic/nft-listing.ts';
import { nftTable } from '../traffic/nft-table.ts';
import { nftDeleteText, nftText } from '../traffic/nft-text.ts';
import { iptablesObstacles, nftObstacles, type Obstacle } from '../traffic/obstacles.ts';
import type { FamilyRules, Ruleset } from '../traffic/ruleset.ts';
import type { ElementChange } from '../wire/nftables.ts';
import type { EngineOptions, FirewallEngine, ObstacleSearch, PeerSetChange } from './engine.ts';
import { notTaken } from './iptables-engine.ts';
import { IptablesPrograms } from './iptables-programs.ts';
import { NftProgram } from './nft-program.ts';
import type { Programs } from './programs.ts';

/** nftables: one process to look at a family, one to change both; peers of the guard without any, over netlink. */
export class NftEngine implements FirewallEngine {
  readonly name = 'nftables';
  readonly variant = undefined;
  readonly #programs: Programs;
  readonly #nft: NftProgram;
  readonly #socket: NftSocket | undefined;
  readonly #log: Log;
  readonly #names: RuleNames;
  readonly #spelling: Map<string, string>;
  /** Families whose set of peers has been seen or made. */
  #guarded: ReadonlySet<Family> = new Set();
  #lastObstacles: Obstacle[] = [];

  /**
   * @param socket undefined: the kernel's notices could not be had
   * @param spelling how nft lists our rules, as far as an engine has learnt it
   */
  constructor(
    programs: Programs,
    socket: NftSocket | undefined,
    log: Log,
    names: RuleNames = flannelNames,
    spelling: Map<string, string> = new Map(),
  ) {
    this.#spelling = spelling;
    this.#programs = programs;
    this.#nft = new NftProgram(programs);
    this.#socket = socket;
    this.#log = log;
    this.#names = names;
  }

  get tellsChanges(): boolean {
    return this.#socket !== undefined;
  }

  async check(ruleset: Ruleset, options: EngineOptions): Promise<string[]> {
    return (await this.#compareAll(ruleset, options)).flatMap(one => one.difference.drift);
  }

  async apply(ruleset: Ruleset, options: EngineOptions): Promise<string[]> {
    this.#guarded = new Set(
      ruleset.families.filter(rules => rules.guard !== undefined).map(rules => rules.family),
    );
    const compared = await this.#compareAll(ruleset, options);
    const wrong = compared.filter(one => one.difference.drift.length > 0);
    const unwanted = await this.#unwantedTables(ruleset, options);
    if (wrong.length + unwanted.length === 0) return [];
    const texts = wrong.map(({ rules, difference }) => nftText(nftTable(rules), difference));
    await this.#nft.commit([...texts, nftDeleteText(unwanted)].join(''), options);
    await this.#verify(
      wrong.map(one => one.rules),
      options,
    );
    return [
      ...wrong.flatMap(one => one.difference.drift),
      ...unwanted.map(({ name }) => `table ${name} is left over`),
    ];
  }

  async changePeers(change: PeerSetChange, ruleset: () => Ruleset, options: EngineOptions): Promise<boolean> {
    const changes = [...this.#guarded].flatMap(family => elementChanges(this.#names, family, change));
    if (this.#socket !== undefined) {
      try {
        await this.#socket.changeElements(changes);
        return changes.some(({ verb, addresses }) => verb === 'delete' && addresses.length > 0);
      } catch (error) {
        // The set is gone, or an element to be taken away was: only the whole can tell.
        if (!hasCode(error, 'netlink-enoent')) {
          this.#log.debug({ error: describeError(error) }, 'peers go by nft instead of netlink');
        }
      }
    }
    await this.apply(ruleset(), options);
    return false;
  }

  async obstacles(
    ruleset: Ruleset,
    { path, everywhere }: ObstacleSearch,
    options: EngineOptions,
  ): Promise<Obstacle[]> {
    if (!everywhere) return this.#lastObstacles;
    const listing = await this.#nft.listAll(options);
    const legacy = new IptablesPrograms(this.#programs, 'legacy');
    const found = ruleset.families.map(async rules => {
      const way = path(rules.family);
      const tables = legacy.has(rules.family) ? await legacy.save(rules.family, options) : new Map();
      return [...nftObstacles(rules, way, listing), ...iptablesObstacles(rules, way, tables)];
    });
    this.#lastObstacles = (await Promise.all(found)).flat();
    return this.#lastObstacles;
  }

  async guardReport(ruleset: Ruleset, options: EngineOptions): Promise<GuardReport> {
    const guarded = ruleset.families.filter(rules => rules.guard !== undefined);
    const reports = guarded.map(async ({ family }) => {
      const { family: nftFamily, name } = this.#names.tables[family];
      return nftGuardReport(family, await this.#nft.listTable(nftFamily, name, options), this.#names);
    });
    return (await Promise.all(reports)).reduce(addGuardReports, emptyGuardReport);
  }

  async clean(options: EngineOptions): Promise<string[]> {
    return await this.#nft.clean(this.#names, options);
  }

  close(): void {}

  async #compareAll({ families }: Ruleset, options: EngineOptions): Promise<Compared[]> {
    return await Promise.all(
      families.map(async rules => {
        const table = nftTable(rules);
        const listing = await this.#nft.listTable(table.family, table.name, options);
        return { rules, listing, difference: compareNft(table, listing, this.#spelling) };
      }),
    );
  }

  async #unwantedTables({ families }: Ruleset, options: EngineOptions) {
    const unwanted = ([4, 6] as const)
      .filter(family => !families.some(rules => rules.family === family))
      .map(family => this.#names.tables[family]);
    const listings = await Promise.all(
      unwanted.map(one => this.#nft.listTable(one.family, one.name, options)),
    );
    return unwanted.filter((_, index) => (listings[index]?.tables.length ?? 0) > 0);
  }

  /** What nft took is what it lists now; another version may list the same in other words. */
  async #verify(families: readonly FamilyRules[], options: EngineOptions): Promise<void> {
    for (const { rules, listing, difference } of await this.#compareAll({ families }, options)) {
      if (difference.drift.length === 0) continue;
      const table = nftTable(rules);
      const spelling = learnNftSpelling(table, listing);
      const { drift } = compareNft(table, listing, spelling);
      if (drift.length > 0) throw notTaken(this.name, drift);
      for (const [ours, theirs] of spelling ?? []) this.#spelling.set(ours, theirs);
    }
  }
}

interface Compared {
  readonly rules: FamilyRules;
  readonly listing: NftListing;
  readonly difference: NftDifference;
}

function elementChanges(
  { tables }: RuleNames,
  family: Family,
  { added, removed }: PeerSetChange,
): ElementChange[] {
  const { family: nftFamily, name: table } = tables[family];
  const place = { family: nftFamily, table, set: nftNames.peers };
  return [
    { ...place, verb: 'add', addresses: added.filter(address => familyOf(address) === family) },
    { ...place, verb: 'delete', addresses: removed.filter(address => familyOf(address) === family) },
  ];
}
