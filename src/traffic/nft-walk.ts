/** Rules of nftables, in the JSON of `nft -j list`, as the packet walk sees them. */
import { type IpAddress, tryParseIp } from '../base/ip.ts';
import { hostPrefix, type Prefix, tryParsePrefix } from '../base/prefix.ts';
import type { Json } from '../lease/lease.ts';
import { isObject, type JsonRecord, listOf, type NftListing, stringOf } from './nft-listing.ts';
import { nftRuleText } from './nft-rule-text.ts';
import {
  type Condition,
  type SeenChain,
  type SeenChains,
  type SeenRule,
  type SeenVerdict,
  undecidedTargets,
} from './packet-walk.ts';

/** The chains of one table. */
export function nftSeen(listing: NftListing, family: string, table: string): SeenChains {
  const chains = new Map<string, SeenChain>();
  for (const chain of listing.chains) {
    if (chain.family !== family || chain.table !== table) continue;
    const rules = listing.rules.filter(
      rule => rule.family === family && rule.table === table && rule.chain === chain.name,
    );
    chains.set(chain.name, {
      policy: chain.policy === 'drop' ? 'drop' : chain.policy === 'accept' ? 'accept' : undefined,
      rules: rules.flatMap(rule => seenRules(rule.expr)),
    });
  }
  return chains;
}

/** A verdict map of its own makes one rule of each of its entries. */
function seenRules(expr: readonly Json[]): SeenRule[] {
  const text = nftRuleText(expr);
  const conditions: Condition[] = [];
  for (const item of expr) {
    if (!isObject(item)) continue;
    const vmap = item['vmap'];
    if (isObject(vmap)) return entriesOf(vmap).map(entry => seenEntry(entry, vmap, conditions, text));
    const verdict = verdictOf(item);
    if (verdict !== undefined) return [{ conditions, verdict, text }];
    conditions.push(...conditionsOf(item));
  }
  return [{ conditions, verdict: { type: 'continue' }, text }];
}

/** Key and verdict of each; of a map that has a name neither is told. */
function entriesOf(vmap: JsonRecord): ReadonlyArray<readonly [Json, Json]> {
  const data = vmap['data'];
  const entries = isObject(data) && 'set' in data ? listOf(data['set']) : [undefined];
  return entries.map(entry => (Array.isArray(entry) ? [entry[0] ?? null, entry[1] ?? null] : [null, null]));
}

function seenEntry(
  [key, verdict]: readonly [Json, Json],
  vmap: JsonRecord,
  conditions: readonly Condition[],
  text: string,
): SeenRule {
  const match: Condition =
    key === null ? { field: 'other' } : matchOf({ op: '==', left: vmap['key'] ?? null, right: key });
  const known = isObject(verdict) ? verdictOf(verdict) : undefined;
  return { conditions: [...conditions, match], verdict: known ?? { type: 'unknown' }, text };
}

function verdictOf(item: JsonRecord): SeenVerdict | undefined {
  if ('accept' in item) return { type: 'accept' };
  if ('drop' in item || 'reject' in item) return { type: 'drop' };
  if ('return' in item) return { type: 'return' };
  for (const type of ['jump', 'goto'] as const) {
    const to = item[type];
    if (isObject(to)) return { type, chain: stringOf(to['target']) };
  }
  if ('continue' in item) return { type: 'continue' };
  if ('queue' in item || 'synproxy' in item) return { type: 'unknown' };
  const { xt } = item as { readonly xt?: Json };
  if (!isObject(xt) || xt['type'] !== 'target') return undefined;
  if (xt['name'] === 'REJECT') return { type: 'drop' };
  return { type: undecidedTargets.has(stringOf(xt['name'])) ? 'unknown' : 'continue' };
}

/** Statements that neither ask nor decide anything. */
const transparent: ReadonlySet<string> = new Set(['counter', 'log', 'mangle', 'notrack', 'comment', 'meter']);

function conditionsOf(item: JsonRecord): Condition[] {
  const [key = ''] = Object.keys(item);
  if (transparent.has(key)) return [];
  if (key === 'xt') {
    const xt = item['xt'];
    return isObject(xt) && xt['name'] === 'comment' ? [] : [{ field: 'other' }];
  }
  const match = item['match'];
  return [isObject(match) ? matchOf(match) : { field: 'other' }];
}

function matchOf(match: JsonRecord): Condition {
  const { op, left, right = null } = match as { op?: Json; left?: Json; right?: Json };
  if (!isObject(left) || (op !== '==' && op !== '!=' && op !== 'in')) return { field: 'other' };
  const not = op === '!=';
  const meta = isObject(left['meta']) ? stringOf(left['meta']['key']) : '';
  if (meta === 'iifname' || meta === 'oifname') {
    return { field: meta === 'iifname' ? 'inDevice' : 'outDevice', names: textsOf(right), not };
  }
  const ct = isObject(left['ct']) ? stringOf(left['ct']['key']) : '';
  if (ct === 'state') return { field: 'state', states: textsOf(right), not };
  const payload = isObject(left['payload']) ? left['payload'] : {};
  const field = stringOf(payload['field']);
  if ((payload['protocol'] === 'ip' || payload['protocol'] === 'ip6') && /^[sd]addr$/.test(field)) {
    const prefixes = itemsOf(right).map(prefixOfJson);
    if (prefixes.includes(undefined)) return { field: 'other' };
    const known = prefixes.filter(prefix => prefix !== undefined);
    return { field: field === 'saddr' ? 'source' : 'destination', prefixes: known, not };
  }
  return { field: 'other' };
}

/** The members of an anonymous set, or the one value. */
function itemsOf(right: Json): readonly Json[] {
  if (Array.isArray(right)) return right;
  return isObject(right) && 'set' in right ? listOf(right['set']) : [right];
}

function textsOf(right: Json): string[] {
  return itemsOf(right).map(stringOf);
}

function prefixOfJson(value: Json): Prefix | undefined {
  if (typeof value === 'string') {
    const address: IpAddress | undefined = tryParseIp(value);
    return address === undefined ? undefined : hostPrefix(address);
  }
  const prefix = isObject(value) ? value['prefix'] : undefined;
  return isObject(prefix) ? tryParsePrefix(`${stringOf(prefix['addr'])}/${prefix['len']}`) : undefined;
}
