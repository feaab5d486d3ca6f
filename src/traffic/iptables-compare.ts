/** Is everything of ours in iptables as it should be, and which iptables-restore text makes it so? */
import { type IptablesChain, type IptablesState, iptablesTarget } from './iptables-save.ts';
import type { IptablesTable } from './iptables-tables.ts';
import { flannelNames, iptablesTableNames, type RuleNames } from './names.ts';

export interface IptablesDifference {
  /** What is wrong, a few words each; none when all is right. */
  readonly drift: readonly string[];
  /** For `iptables-restore --noflush`: touches only what is wrong; '' when all is right. */
  readonly restore: string;
}

/**
 * How another version of iptables prints a rule that we wrote: from our text to its text. Learnt by reading back what
 * was just written.
 */
export type Spelling = ReadonlyMap<string, string>;

/** Order counts inside our chains; a jump into one of them may stand anywhere in its chain, but only once. */
export function compareIptables(
  wish: readonly IptablesTable[],
  observed: IptablesState,
  spelling: Spelling = new Map(),
  own: OwnChains = flannelNames,
): IptablesDifference {
  const differences = iptablesTableNames.map(name => {
    const table = wish.find(one => one.name === name) ?? { name, chains: new Map(), jumps: [] };
    return compareTable(table, observed.get(name) ?? new Map(), spelling, own);
  });
  return {
    drift: differences.flatMap(one => one.drift),
    restore: differences.map(one => one.restore).join(''),
  };
}

/** Pairs the rules of one chain that was just written with what is read back; undefined when they are not as many. */
export function learnSpelling(
  wish: readonly IptablesTable[],
  observed: IptablesState,
): Map<string, string> | undefined {
  const spelling = new Map<string, string>();
  for (const table of wish) {
    const chains = observed.get(table.name);
    for (const [name, rules] of table.chains) {
      const seen = chains?.get(name)?.rules ?? [];
      if (seen.length !== rules.length) return undefined;
      for (const [index, rule] of rules.entries()) spelling.set(rule, seen[index] ?? rule);
    }
    for (const { from, rule } of table.jumps) {
      const seen = chains?.get(from)?.rules.filter(one => iptablesTarget(one) === iptablesTarget(rule)) ?? [];
      if (!seen.includes(rule) && seen.length === 1) spelling.set(rule, seen[0] ?? rule);
    }
  }
  return spelling;
}

type Chains = ReadonlyMap<string, IptablesChain>;

/** Which chains are ours, wanted or not. */
type OwnChains = Pick<RuleNames, 'isOwnChain'>;

function compareTable(
  table: IptablesTable,
  observed: Chains,
  spelling: Spelling,
  own: OwnChains,
): IptablesDifference {
  const chains = compareChains(table, observed, spelling, own);
  const jumps = compareJumps(table, observed, spelling, own);
  const drift = [...chains.drift, ...jumps.drift].map(what => `${table.name}: ${what}`);
  if (drift.length === 0) return { drift, restore: '' };
  const lines = [
    `*${table.name}`,
    ...chains.declarations,
    ...jumps.lines,
    ...chains.rules,
    ...chains.deletions,
    'COMMIT\n',
  ];
  return { drift, restore: lines.join('\n') };
}

interface ChainDifference {
  readonly drift: string[];
  /** Naming a chain makes it, and empties it when it is there. */
  readonly declarations: string[];
  readonly rules: string[];
  readonly deletions: string[];
}

function compareChains(
  table: IptablesTable,
  observed: Chains,
  spelling: Spelling,
  own: OwnChains,
): ChainDifference {
  const result: ChainDifference = { drift: [], declarations: [], rules: [], deletions: [] };
  for (const [name, rules] of table.chains) {
    const seen = observed.get(name)?.rules;
    if (seen !== undefined && sameRules(rules, seen, spelling)) continue;
    result.drift.push(`chain ${name} ${seen === undefined ? 'is missing' : describeRules(rules, seen)}`);
    result.declarations.push(`:${name} - [0:0]`);
    result.rules.push(...rules.map(rule => `-A ${name} ${rule}`));
  }
  for (const [name, { rules }] of observed) {
    if (!own.isOwnChain(name) || table.chains.has(name)) continue;
    const holder = foreignHolder(name, observed, own);
    // The kernel keeps a chain to which somebody else's rule leads: empty, it does nothing.
    if (holder !== undefined && rules.length === 0) continue;
    result.drift.push(
      `chain ${name} is left over${holder === undefined ? '' : `, and chain ${holder} uses it`}`,
    );
    result.declarations.push(`:${name} - [0:0]`);
    if (holder === undefined) result.deletions.push(`-X ${name}`);
  }
  return result;
}

function compareJumps(
  table: IptablesTable,
  observed: Chains,
  spelling: Spelling,
  own: OwnChains,
): { readonly drift: string[]; readonly lines: string[] } {
  const drift: string[] = [];
  const lines: string[] = [];
  const missing = new Map(table.jumps.map(jump => [`${jump.from} ${spell(jump.rule, spelling)}`, jump]));
  for (const [name, { rules, policy }] of observed) {
    if (policy === '-') continue;
    for (const rule of rules) {
      const target = iptablesTarget(rule);
      if (target === undefined || !own.isOwnChain(target)) continue;
      if (missing.delete(`${name} ${rule}`)) continue;
      drift.push(`a jump from ${name} to ${target} is too many`);
      lines.push(`-D ${name} ${rule}`);
    }
  }
  for (const { from, rule } of missing.values()) {
    drift.push(`the jump from ${from} to ${iptablesTarget(rule)} is missing`);
    lines.push(`-A ${from} ${rule}`);
  }
  return { drift, lines };
}

/** The chain, neither ours nor built-in, that holds a rule which leads to `name`. */
function foreignHolder(name: string, observed: Chains, own: OwnChains): string | undefined {
  for (const [holder, { rules, policy }] of observed) {
    if (policy !== '-' || own.isOwnChain(holder)) continue;
    if (rules.some(rule => iptablesTarget(rule) === name)) return holder;
  }
  return undefined;
}

function sameRules(wish: readonly string[], seen: readonly string[], spelling: Spelling): boolean {
  return wish.length === seen.length && wish.every((rule, index) => spell(rule, spelling) === seen[index]);
}

function spell(rule: string, spelling: Spelling): string {
  return spelling.get(rule) ?? rule;
}

function describeRules(wish: readonly string[], seen: readonly string[]): string {
  if (seen.length === 0) return 'is empty';
  if (wish.length !== seen.length) return `has ${seen.length} rules instead of ${wish.length}`;
  return [...wish].sort().join() === [...seen].sort().join() ? 'is in another order' : 'has other rules';
}
