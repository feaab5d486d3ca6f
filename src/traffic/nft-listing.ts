/** What `nft -j list ...` prints, as values (libnftables-json(5)). What is not understood is left out. */
import { WeftError } from '../base/errors.ts';
import type { Json } from '../lease/lease.ts';
import type { PacketCount } from './iptables-save.ts';

export interface NftListing {
  readonly tables: readonly NftName[];
  readonly chains: readonly ListedChain[];
  readonly rules: readonly ListedRule[];
  readonly sets: readonly ListedSet[];
  readonly counters: readonly ListedCounter[];
}

interface NftName {
  readonly family: string;
  readonly name: string;
}

interface InTable {
  readonly family: string;
  readonly table: string;
}

export interface ListedChain extends NftName, InTable {
  /** Of a base chain; undefined for the others, and so in the next three. */
  readonly hook: string | undefined;
  readonly type: string | undefined;
  readonly priority: number | undefined;
  readonly policy: string | undefined;
}

export interface ListedRule extends InTable {
  readonly chain: string;
  readonly expr: readonly Json[];
}

export interface ListedSet extends NftName, InTable {
  /** Such as `ipv4_addr`; undefined for a concatenation. */
  readonly type: string | undefined;
  readonly elements: readonly ListedElement[];
}

export interface ListedElement {
  /** As text where it is an address or the like; otherwise its JSON. */
  readonly value: string;
  readonly count: PacketCount | undefined;
}

export interface ListedCounter extends NftName, InTable, PacketCount {}

/** What is listed of a table that is not there. */
export const emptyListing: NftListing = { tables: [], chains: [], rules: [], sets: [], counters: [] };

/** @throws WeftError `nft-output` when it is not nft's JSON at all */
export function parseNftListing(text: string): NftListing {
  const tables: NftName[] = [];
  const chains: ListedChain[] = [];
  const rules: ListedRule[] = [];
  const sets: ListedSet[] = [];
  const counters: ListedCounter[] = [];
  for (const item of itemsOf(text)) {
    const { table, chain, rule, set, counter } = item;
    if (isObject(table)) tables.push(nameOf(table));
    if (isObject(chain)) chains.push(chainOf(chain));
    if (isObject(rule)) {
      rules.push({ ...placeOf(rule), chain: stringOf(rule['chain']), expr: listOf(rule['expr']) });
    }
    if (isObject(set)) sets.push(setOf(set));
    if (isObject(counter)) counters.push({ ...nameOf(counter), ...placeOf(counter), ...countOf(counter) });
  }
  return { tables, chains, rules, sets, counters };
}

export type JsonRecord = { readonly [key: string]: Json };

export function isObject(value: Json | undefined): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

export function stringOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

interface Item {
  readonly table?: Json;
  readonly chain?: Json;
  readonly rule?: Json;
  readonly set?: Json;
  readonly counter?: Json;
}

function itemsOf(text: string): Item[] {
  let parsed: Json;
  try {
    parsed = JSON.parse(text) as Json;
  } catch (cause) {
    const shown = text.length > 200 ? `${text.slice(0, 200)}...` : text;
    throw new WeftError('nft-output', `expected JSON from nft, got ${JSON.stringify(shown)}`, {
      cause,
      remedy: 'use an nft with JSON support, as in Debian: nft --version -V shows "json: yes"',
    });
  }
  return listOf(isObject(parsed) ? parsed['nftables'] : undefined).filter(isObject);
}

function nameOf(item: JsonRecord): NftName {
  return { family: stringOf(item['family']), name: stringOf(item['name']) };
}

function placeOf(item: JsonRecord): InTable {
  return { family: stringOf(item['family']), table: stringOf(item['table']) };
}

function chainOf(item: JsonRecord): ListedChain {
  const text = (key: string) => (typeof item[key] === 'string' ? stringOf(item[key]) : undefined);
  const priority = item['prio'];
  return {
    ...nameOf(item),
    ...placeOf(item),
    hook: text('hook'),
    type: text('type'),
    policy: text('policy'),
    priority: typeof priority === 'number' ? priority : undefined,
  };
}

function setOf(item: JsonRecord): ListedSet {
  const type = item['type'];
  return {
    ...nameOf(item),
    ...placeOf(item),
    type: typeof type === 'string' ? type : undefined,
    elements: listOf(item['elem']).map(elementOf),
  };
}

/** Either the bare value, or `{"elem": {"val": ..., "counter": ...}}` for one with more to it. */
function elementOf(item: Json): ListedElement {
  const elem = isObject(item) ? item['elem'] : undefined;
  if (!isObject(elem)) return { value: textOf(item), count: undefined };
  const counter = elem['counter'];
  return { value: textOf(elem['val'] ?? null), count: isObject(counter) ? countOf(counter) : undefined };
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function countOf(item: JsonRecord): PacketCount {
  const number = (key: string) => {
    const value = item[key];
    return typeof value === 'number' ? value : 0;
  };
  return { packets: number('packets'), bytes: number('bytes') };
}
