/** Rules of iptables as the packet walk sees them. */
import { tryParseIp } from '../base/ip.ts';
import { hostPrefix, type Prefix, tryParsePrefix } from '../base/prefix.ts';
import { type IptablesState, iptablesWords } from './iptables-save.ts';
import {
  type Condition,
  type SeenChain,
  type SeenChains,
  type SeenRule,
  type SeenVerdict,
  undecidedTargets,
} from './packet-walk.ts';

export function iptablesSeen(state: IptablesState, table: string): SeenChains {
  const chains = new Map<string, SeenChain>();
  for (const [name, { policy, rules }] of state.get(table) ?? []) {
    chains.set(name, {
      policy: policy === 'DROP' ? 'drop' : policy === 'ACCEPT' ? 'accept' : undefined,
      rules: rules.map(rule => seenRule(rule, `-A ${name} ${rule}`)),
    });
  }
  return chains;
}

function seenRule(rule: string, text: string): SeenRule {
  const words = iptablesWords(rule);
  const conditions: Condition[] = [];
  let verdict: SeenVerdict = { type: 'continue' };
  for (let at = 0, not = false; at < words.length; at++) {
    const [word = '', value = ''] = [words[at], words[at + 1]];
    if (word === '!') {
      not = true;
      continue;
    }
    if (word === '-j' || word === '-g') {
      verdict = verdictOf(word, value);
      // What follows are the target's own options.
      break;
    }
    // Its options tell; the match by itself says nothing.
    const condition = word === '-m' ? undefined : conditionOf(word, value, not);
    if (condition !== undefined) conditions.push(condition);
    if (word === '-m' || optionsWithValue.has(word)) at++;
    not = false;
  }
  return { conditions, verdict, text };
}

const optionsWithValue: ReadonlySet<string> = new Set([
  ...['-s', '-d', '-i', '-o', '--comment', '--ctstate', '--state', '-p'],
]);

/** Undefined for what is no condition. */
function conditionOf(option: string, value: string, not: boolean): Condition | undefined {
  switch (option) {
    case '-i':
      return { field: 'inDevice', names: [value], not };
    case '-o':
      return { field: 'outDevice', names: [value], not };
    case '-s':
    case '-d': {
      const prefix = prefixOfText(value);
      if (prefix === undefined) return { field: 'other' };
      return { field: option === '-s' ? 'source' : 'destination', prefixes: [prefix], not };
    }
    case '--ctstate':
    case '--state':
      return { field: 'state', states: value.toLowerCase().split(','), not };
    case '--comment':
      return undefined;
    default:
      return { field: 'other' };
  }
}

function prefixOfText(text: string): Prefix | undefined {
  const address = tryParseIp(text);
  return address === undefined ? tryParsePrefix(text) : hostPrefix(address);
}

/** Targets that let a packet go on are many; those below are all that end its way. */
function verdictOf(option: '-j' | '-g', target: string): SeenVerdict {
  if (option === '-g') return { type: 'goto', chain: target };
  if (target === 'ACCEPT') return { type: 'accept' };
  if (target === 'DROP' || target === 'REJECT') return { type: 'drop' };
  if (target === 'RETURN') return { type: 'return' };
  if (undecidedTargets.has(target)) return { type: 'unknown' };
  return builtinTargets.has(target) ? { type: 'continue' } : { type: 'jump', chain: target };
}

/** A jump to one of these would be taken for one to a chain that does not exist: harmless, but they are known. */
const builtinTargets: ReadonlySet<string> = new Set([
  ...['LOG', 'NFLOG', 'MARK', 'CONNMARK', 'CT', 'NOTRACK', 'TCPMSS', 'TRACE', 'CHECKSUM', 'CLASSIFY'],
  ...['DNAT', 'SNAT', 'MASQUERADE', 'REDIRECT'],
]);
