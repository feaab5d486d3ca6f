/** Policy rules in iproute2's words. */
import { addressBits } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixLength } from '../base/prefix.ts';
import { deviceWords, pair, words } from './iproute2-words.ts';
import type { Rule } from './rule.ts';

/** A rule as `ip rule show` lists it: `32766: from all lookup main`. */
export function ruleText(rule: Rule): string {
  return `${rule.priority}: ${words(...conditionWords(rule), ...actionWords(rule))}`;
}

/** Deletes this rule and no other of its priority. */
export function ruleDeleteCommand(rule: Rule): string {
  const ip = rule.family === 6 ? 'ip -6 rule' : 'ip rule';
  return words(`${ip} delete priority ${rule.priority}`, ...conditionWords(rule), ...actionWords(rule));
}

/** As iproute2 names it. */
export function tableText(table: number): string {
  return { 253: 'default', 254: 'main', 255: 'local' }[table] ?? String(table);
}

/** In the order of iproute2's print_rule. */
function conditionWords(rule: Rule): Array<string | undefined> {
  const { source, destination, tos, mark, iif, oif, others } = rule;
  return [
    rule.not ? 'not' : undefined,
    `from ${source === undefined ? 'all' : hostless(source)}`,
    destination === undefined ? undefined : `to ${hostless(destination)}`,
    tos === 0 ? undefined : `tos 0x${tos.toString(16).padStart(2, '0')}`,
    mark === undefined ? undefined : `fwmark ${markText(mark)}`,
    deviceWords('iif', iif),
    deviceWords('oif', oif),
    ...others,
  ];
}

function actionWords({ action, suppressPrefixLength }: Rule): Array<string | undefined> {
  switch (action.type) {
    case 'lookup':
      return [`lookup ${tableText(action.table)}`, pair('suppress_prefixlength', suppressPrefixLength)];
    case 'goto':
      return [`goto ${action.priority ?? 'none'}`];
    default:
      return [action.type];
  }
}

function markText({ value, mask }: NonNullable<Rule['mark']>): string {
  const hex = (number: number): string => `0x${number.toString(16)}`;
  return mask === 0xffff_ffff ? hex(value) : `${hex(value)}/${hex(mask)}`;
}

function hostless(prefix: Prefix): string {
  return prefixLength(prefix) === addressBits[prefixFamily(prefix)] ? prefixBase(prefix) : prefix;
}
