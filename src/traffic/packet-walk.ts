/**
 * Whether a host's own firewall lets the overlay's packets through: a walk along its rules, as the kernel walks them,
 * with a packet of which only devices and prefixes are known. It finds what is sure to be dropped, and is silent
 * about what depends on more (ports, protocols, marks).
 */
import { type Prefix, prefixCovers, prefixesOverlap } from '../base/prefix.ts';

/** A new connection's packets. */
export interface Flow {
  readonly inDevice: string;
  readonly outDevice: string;
  readonly source: Prefix;
  readonly destination: Prefix;
}

export type Condition =
  | { readonly field: 'inDevice' | 'outDevice'; readonly names: readonly string[]; readonly not: boolean }
  | { readonly field: 'source' | 'destination'; readonly prefixes: readonly Prefix[]; readonly not: boolean }
  /** Connection tracking states, lower case. */
  | { readonly field: 'state'; readonly states: readonly string[]; readonly not: boolean }
  /** Something that this walk does not look at. */
  | { readonly field: 'other' };

export type SeenVerdict =
  | { readonly type: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly type: 'jump' | 'goto'; readonly chain: string };

/** A rule of somebody else, as far as it is understood. */
export interface SeenRule {
  readonly conditions: readonly Condition[];
  readonly verdict: SeenVerdict;
  /** As its own tool prints it. */
  readonly text: string;
}

export interface SeenChain {
  readonly rules: readonly SeenRule[];
  /** Of a base chain. */
  readonly policy: 'accept' | 'drop' | undefined;
}

export type SeenChains = ReadonlyMap<string, SeenChain>;

/** A name that no rule can hold, for a device that is none of those named. */
export const anyDevice = '\0any';

/** The text of the rule, or policy, that is sure to drop packets of the flow; undefined when none is. */
export function dropOnTheWay(chains: SeenChains, base: string, flow: Flow): string | undefined {
  const end = walk(chains, base, flow, deepest);
  if (end.type === 'dropped') return end.text;
  return end.type === 'through' && chains.get(base)?.policy === 'drop'
    ? `policy of ${base}: drop`
    : undefined;
}

/** Rules cannot loop (the kernel refuses them); this ends a walk through text that claims they do. */
const deepest = 32;

type End =
  | { readonly type: 'accepted' }
  | { readonly type: 'dropped'; readonly text: string }
  /** Off the end of the chain, or out by RETURN. */
  | { readonly type: 'through' };

const accepted: End = { type: 'accepted' };
const through: End = { type: 'through' };

function walk(chains: SeenChains, name: string, flow: Flow, depth: number): End {
  for (const rule of depth === 0 ? [] : (chains.get(name)?.rules ?? [])) {
    const match = matchAll(rule.conditions, flow);
    if (match === undefined) continue;
    const end = follow(chains, rule, match.flow, depth);
    if (end?.type === 'dropped') return end;
    // The rest of a flow of which a rule takes only a part goes on.
    if (end !== undefined && match.whole) return end;
  }
  return through;
}

/** Undefined when the walk goes on with the next rule. */
function follow(chains: SeenChains, { verdict, text }: SeenRule, flow: Flow, depth: number): End | undefined {
  switch (verdict.type) {
    case 'accept':
      return accepted;
    case 'drop':
      return { type: 'dropped', text };
    case 'return':
      return through;
    case 'continue':
      return undefined;
    case 'goto':
      return walk(chains, verdict.chain, flow, depth - 1);
    case 'jump': {
      const end = walk(chains, verdict.chain, flow, depth - 1);
      return end.type === 'through' ? undefined : end;
    }
  }
}

interface Match {
  /** What of the flow the rule is sure to take. */
  readonly flow: Flow;
  readonly whole: boolean;
}

/** Undefined when the rule takes none of the flow, or nobody can say. */
function matchAll(conditions: readonly Condition[], flow: Flow): Match | undefined {
  let match: Match | undefined = { flow, whole: true };
  for (const condition of conditions) {
    if (match === undefined) return undefined;
    match = matchOne(condition, match);
  }
  return match;
}

function matchOne(condition: Condition, match: Match): Match | undefined {
  switch (condition.field) {
    case 'inDevice':
    case 'outDevice': {
      const device = match.flow[condition.field];
      const named = condition.names.some(name => fits(name, device));
      return named === condition.not ? undefined : match;
    }
    case 'state':
      return condition.states.includes('new') === condition.not ? undefined : match;
    case 'source':
    case 'destination':
      return matchPrefixes(condition.field, condition, match);
    case 'other':
      return undefined;
  }
}

function matchPrefixes(
  field: 'source' | 'destination',
  { prefixes, not }: { readonly prefixes: readonly Prefix[]; readonly not: boolean },
  match: Match,
): Match | undefined {
  const flow = match.flow[field];
  const covered = prefixes.some(prefix => prefixCovers(prefix, flow));
  if (not) return prefixes.some(prefix => prefixesOverlap(prefix, flow)) ? undefined : match;
  if (covered) return match;
  const part = prefixes.find(prefix => prefixCovers(flow, prefix));
  return part === undefined ? undefined : { flow: { ...match.flow, [field]: part }, whole: false };
}

/** iptables ends a pattern with +, nft with *. */
function isPattern(name: string): boolean {
  return /[+*]$/.test(name);
}

function fits(name: string, device: string): boolean {
  return isPattern(name) ? device.startsWith(name.slice(0, -1)) : name === device;
}
