/** Is everything of ours in an nftables table as it should be? */
import type { Json } from '../lease/lease.ts';
import { nftNames } from './names.ts';
import { isObject, type ListedChain, type ListedRule, type NftListing } from './nft-listing.ts';
import type { NftRule } from './nft-rule.ts';
import { addressTypeOf, type NftChain, type NftTable } from './nft-table.ts';

export interface NftDifference {
  /** What is wrong, a few words each; none when all is right. */
  readonly drift: readonly string[];
  /** Something has our name but another kind, so that it can only be made anew. */
  readonly replaceTable: boolean;
}

/**
 * How another version of nft lists a rule that we wrote: from our text to the canonical JSON that it gives. Learnt by
 * reading back what was just written.
 */
export type NftSpelling = ReadonlyMap<string, string>;

/** Order counts inside our chains; chains and sets in our table that are not ours are not looked at. */
export function compareNft(
  table: NftTable,
  listing: NftListing,
  spelling: NftSpelling = new Map(),
): NftDifference {
  const seen = only(table, listing);
  if (seen.tables.length === 0) return { drift: [`table ${table.name} is missing`], replaceTable: false };
  const alien = [...alienChains(table, seen), ...alienSets(table, seen)];
  if (alien.length > 0) return { drift: alien, replaceTable: true };
  const drift = [
    ...table.chains.flatMap(chain => chainDrift(chain, seen, spelling)),
    ...leftovers(table, seen),
    ...guardDrift(table, seen),
  ];
  return { drift: drift.map(what => `${table.name}: ${what}`), replaceTable: false };
}

/** Pairs the rules of a table that was just written with what is read back; undefined when they are not as many. */
export function learnNftSpelling(table: NftTable, listing: NftListing): Map<string, string> | undefined {
  const spelling = new Map<string, string>();
  const seen = only(table, listing);
  for (const chain of table.chains) {
    const rules = rulesOf(chain.name, seen.rules);
    if (rules.length !== chain.rules.length) return undefined;
    for (const [index, rule] of chain.rules.entries()) {
      spelling.set(rule.text, canonical(rules[index]?.expr ?? []));
    }
  }
  return spelling;
}

/** What of the listing is in this table. */
function only({ family, name }: Pick<NftTable, 'family' | 'name'>, listing: NftListing): NftListing {
  const inside = (item: { readonly family: string; readonly table: string }) =>
    item.family === family && item.table === name;
  return {
    tables: listing.tables.filter(table => table.family === family && table.name === name),
    chains: listing.chains.filter(inside),
    rules: listing.rules.filter(inside),
    sets: listing.sets.filter(inside),
    counters: listing.counters.filter(inside),
  };
}

function alienChains({ chains }: NftTable, seen: NftListing): string[] {
  return chains.flatMap(chain => {
    const listed = seen.chains.find(one => one.name === chain.name);
    if (listed === undefined || sameKind(chain, listed)) return [];
    const kind =
      listed.hook === undefined ? 'no base chain' : `at ${listed.hook}, priority ${listed.priority}`;
    return [
      `chain ${chain.name} is somebody else's: ${listed.type ?? ''} ${kind}`.replace(': no', ' and no'),
    ];
  });
}

function sameKind(chain: NftChain, listed: ListedChain): boolean {
  return chain.type === listed.type && chain.hook === listed.hook && chain.priority === listed.priority;
}

function alienSets({ family, guard }: NftTable, seen: NftListing): string[] {
  if (guard === undefined) return [];
  const type = addressTypeOf(family === 'ip' ? 4 : 6);
  return [nftNames.peers, nftNames.strangers]
    .filter(name => seen.sets.some(set => set.name === name && set.type !== type))
    .map(name => `set ${name} holds something else than addresses`);
}

function chainDrift(chain: NftChain, seen: NftListing, spelling: NftSpelling): string[] {
  const listed = seen.chains.find(one => one.name === chain.name);
  if (listed === undefined) return [`chain ${chain.name} is missing`];
  if (listed.policy !== 'accept') return [`chain ${chain.name} has policy ${listed.policy}`];
  const wish = chain.rules.map(rule => spelling.get(rule.text) ?? canonical(rule.expr));
  const rules = rulesOf(chain.name, seen.rules).map(rule => canonical(rule.expr));
  if (wish.join() === rules.join()) return [];
  return [`chain ${chain.name} ${describe(wish, rules)}`];
}

function rulesOf(chain: string, rules: readonly ListedRule[]): ListedRule[] {
  return rules.filter(rule => rule.chain === chain);
}

function describe(wish: readonly string[], rules: readonly string[]): string {
  if (rules.length === 0) return 'is empty';
  if (wish.length !== rules.length) return `has ${rules.length} rules instead of ${wish.length}`;
  return [...wish].sort().join() === [...rules].sort().join() ? 'is in another order' : 'has other rules';
}

function leftovers({ chains, ownChains, guard }: NftTable, seen: NftListing): string[] {
  const unwanted = seen.chains
    .filter(({ name }) => ownChains.includes(name) && !chains.some(chain => chain.name === name))
    .map(({ name }) => `chain ${name} is left over`);
  const ownSets: readonly string[] = [nftNames.peers, nftNames.strangers];
  const sets = guard === undefined ? seen.sets.filter(({ name }) => ownSets.includes(name)) : [];
  return [...unwanted, ...sets.map(({ name }) => `set ${name} is left over`)];
}

function guardDrift({ guard }: NftTable, seen: NftListing): string[] {
  if (guard === undefined) return [];
  const objects = [
    ...[nftNames.peers, nftNames.strangers].filter(name => !seen.sets.some(set => set.name === name)),
    ...[nftNames.strangersDropped, nftNames.outsidersDropped].filter(
      name => !seen.counters.some(counter => counter.name === name),
    ),
  ];
  if (objects.length > 0) return objects.map(name => `${name} is missing`);
  const listed = new Set(
    seen.sets.find(set => set.name === nftNames.peers)?.elements.map(element => element.value),
  );
  const absent = guard.peers.filter(peer => !listed.has(peer)).length;
  const alien = listed.size - (guard.peers.length - absent);
  return [
    ...(absent > 0 ? [`${absent} peers are missing in set ${nftNames.peers}`] : []),
    ...(alien > 0 ? [`${alien} strangers are in set ${nftNames.peers}`] : []),
  ];
}

/** JSON with what does not matter taken out: the order of an anonymous set. */
function canonical(expr: readonly Json[] | NftRule['expr']): string {
  return JSON.stringify(expr, (key, value: Json) =>
    key === 'set' && Array.isArray(value) ? [...value].map(sortable).sort() : value,
  );
}

function sortable(value: Json): string {
  return isObject(value) ? JSON.stringify(value) : String(value);
}
