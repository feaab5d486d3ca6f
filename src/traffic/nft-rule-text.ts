/** A rule of `nft -j list` back in nft's own words, for people; JSON where a word is not known. */
import type { Json } from '../lease/lease.ts';
import { isObject, type JsonRecord, listOf, stringOf } from './nft-listing.ts';

export function nftRuleText(expr: readonly Json[]): string {
  return expr
    .map(item => (isObject(item) ? statementText(item) : JSON.stringify(item)))
    .filter(text => text !== '')
    .join(' ');
}

function statementText(item: JsonRecord): string {
  const [key = ''] = Object.keys(item);
  const value = item[key] ?? null;
  if (key === 'counter') return 'counter';
  if (key === 'match' && isObject(value)) return matchText(value);
  if ((key === 'jump' || key === 'goto') && isObject(value)) return `${key} ${stringOf(value['target'])}`;
  if (key === 'xt' && isObject(value))
    return value['name'] === 'comment' ? '' : `xt ${stringOf(value['name'])}`;
  if (key === 'reject') return rejectText(value);
  return value === null ? key : `${key} ${JSON.stringify(value)}`;
}

function rejectText(value: Json): string {
  if (!isObject(value)) return 'reject';
  return value['expr'] === undefined
    ? `reject with ${stringOf(value['type'])}`
    : `reject with ${stringOf(value['type'])} type ${valueText(value['expr'])}`;
}

function matchText({ op, left = null, right = null }: JsonRecord): string {
  const operator = op === '!=' ? '!= ' : op === '==' || op === 'in' ? '' : `${stringOf(op)} `;
  return `${leftText(left)} ${operator}${valueText(right)}`;
}

function leftText(left: Json): string {
  if (!isObject(left)) return JSON.stringify(left);
  const { meta, ct, payload } = left as { meta?: Json; ct?: Json; payload?: Json };
  if (isObject(meta)) {
    const key = stringOf(meta['key']);
    return /^[io]if/.test(key) ? key : `meta ${key}`;
  }
  if (isObject(ct)) return `ct ${stringOf(ct['key'])}`;
  if (isObject(payload)) return `${stringOf(payload['protocol'])} ${stringOf(payload['field'])}`;
  return JSON.stringify(left);
}

function valueText(value: Json): string {
  if (Array.isArray(value)) return value.map(valueText).join(',');
  if (!isObject(value)) return typeof value === 'string' ? value : JSON.stringify(value);
  const { prefix, set } = value as { prefix?: Json; set?: Json };
  if (isObject(prefix)) return `${stringOf(prefix['addr'])}/${prefix['len']}`;
  if (set !== undefined) return `{ ${listOf(set).map(valueText).join(', ')} }`;
  return JSON.stringify(value);
}
