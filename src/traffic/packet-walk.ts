/**
 * Whether a host's own firewall lets the overlay's packets through: a walk along its rules, as the kernel walks them,
 * with all packets of a flow at once, of which only devices and addresses are known. What depends on more (ports,
 * protocols, marks) may hold or not, for each rule by itself, so that its packets go both ways:
 *
 *     packets ──> rule ──> rule ──> ... ──> policy
 *                  │        │                 │
 *                  ├────────┴── accepted? ────┤──> may pass
 *                  └─────────── dropped? ─────┴──> may be dropped; and what of it cannot pass as well, surely is
 */
import { type Prefix, prefixFamily } from '../base/prefix.ts';
import { type FlowBox, type FlowSet, rangeOf, rangesOf, union, within, without } from './flow-set.ts';

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
  /** `unknown`: it may do any of these, such as a program that is asked about each packet. */
  | { readonly type: 'accept' | 'drop' | 'return' | 'continue' | 'unknown' }
  | { readonly type: 'jump' | 'goto'; readonly chain: string };

/** Targets of iptables with which another program, or the packet's further fate, decides. */
export const undecidedTargets: ReadonlySet<string> = new Set(['NFQUEUE', 'QUEUE', 'SYNPROXY', 'TPROXY']);

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

/** What becomes of a flow at one hook. */
export type Way =
  /** Nothing can drop any of it. */
  | { readonly type: 'passes' }
  /** Packets from or to some of its addresses, if not all, are dropped whatever else they are. */
  | { readonly type: 'drops'; readonly rule: string }
  /** It depends on what the walk does not look at. */
  | {
      readonly type: 'depends';
      /** What drops it, if so. */
      readonly rule: string;
      /** The unknown is whether the rule is met; else whether another accepts before it. */
      readonly conditional: boolean;
    };

/** What a base chain does to a flow. Conditions that contradict each other count as if each could hold. */
export function wayThrough(chains: SeenChains, base: string, flow: Flow): Way {
  const walk: Walk = { chains, flow, passed: [], dropped: [] };
  const start = [{ source: rangeOf(flow.source), destination: rangeOf(flow.destination) }];
  const through = follow(walk, base, { packets: start, certain: true, depth: deepest });
  if (chains.get(base)?.policy === 'drop')
    walk.dropped.push({ rule: `policy of ${base}: drop`, packets: through, certain: true });
  else walk.passed.push(...through);
  return wayOf(walk);
}

/** The text of the rule, or policy, that is sure to drop packets of the flow; undefined when none is. */
export function dropOnTheWay(chains: SeenChains, base: string, flow: Flow): string | undefined {
  const way = wayThrough(chains, base, flow);
  return way.type === 'drops' ? way.rule : undefined;
}

/** Rules cannot loop (the kernel refuses them); this ends a walk through text that claims they do. */
const deepest = 32;

interface Walk {
  readonly chains: SeenChains;
  readonly flow: Flow;
  /** All that may leave the hook in peace. */
  readonly passed: FlowBox[];
  /** All that may be dropped, in the order of the walk. */
  readonly dropped: Drop[];
}

interface Drop {
  readonly rule: string;
  readonly packets: FlowSet;
  /** Neither the rule nor a jump that leads to it has a condition that is not judged. */
  readonly certain: boolean;
}

/** Wherever all that is not judged fails to hold there is one certain drop, or none: that is the one to name. */
function wayOf({ passed, dropped }: Walk): Way {
  const possible = dropped.filter(({ packets }) => packets.length > 0);
  const certain = possible.filter(drop => drop.certain);
  const sure = certain.find(({ packets }) => without(packets, passed).length > 0);
  if (sure !== undefined) return { type: 'drops', rule: sure.rule };
  const [first] = [...certain, ...possible];
  return first === undefined
    ? { type: 'passes' }
    : { type: 'depends', rule: first.rule, conditional: !first.certain };
}

interface Arrival {
  /** Apart from each other. */
  readonly packets: FlowSet;
  readonly certain: boolean;
  readonly depth: number;
}

/** @returns what may come off the end of the chain, or out by RETURN */
function follow(walk: Walk, name: string, { packets, certain, depth }: Arrival): FlowSet {
  let here = packets;
  let returned: FlowSet = [];
  for (const rule of depth === 0 ? [] : (walk.chains.get(name)?.rules ?? [])) {
    if (here.length === 0) break;
    const taken = takenBy(rule.conditions, walk.flow, here);
    if (taken.length === 0 || rule.verdict.type === 'continue') continue;
    const judged = rule.verdict.type !== 'unknown' && rule.conditions.every(({ field }) => field !== 'other');
    const arrival = { packets: taken, certain: certain && judged, depth: depth - 1 };
    const { onward = [], back = [] } = meet(walk, rule, arrival);
    // Where it is not known whether the rule is met, its packets are behind it as well.
    if (judged) here = [...without(here, taken), ...onward];
    returned = union(returned, back);
  }
  return union(here, returned);
}

/** @returns what the rule itself sends on to the next, and what it sends back to the chain that jumped here */
function meet(
  walk: Walk,
  { verdict, text }: SeenRule,
  arrival: Arrival,
): { readonly onward?: FlowSet; readonly back?: FlowSet } {
  const { packets, certain } = arrival;
  switch (verdict.type) {
    case 'accept':
      walk.passed.push(...packets);
      return {};
    case 'drop':
      walk.dropped.push({ rule: text, packets, certain });
      return {};
    case 'return':
      return { back: packets };
    case 'continue':
      return { onward: packets };
    case 'unknown':
      walk.passed.push(...packets);
      walk.dropped.push({ rule: text, packets, certain });
      return { onward: packets, back: packets };
    case 'jump':
      return { onward: follow(walk, verdict.chain, arrival) };
    case 'goto':
      return { back: follow(walk, verdict.chain, arrival) };
  }
}

/** What of the packets meets all conditions that are judged. */
function takenBy(conditions: readonly Condition[], flow: Flow, packets: FlowSet): FlowSet {
  let taken = packets;
  for (const condition of conditions) {
    if (taken.length === 0) return taken;
    taken = meeting(condition, flow, taken);
  }
  return taken;
}

function meeting(condition: Condition, flow: Flow, packets: FlowSet): FlowSet {
  switch (condition.field) {
    case 'inDevice':
    case 'outDevice': {
      const named = condition.names.some(name => fits(name, flow[condition.field]));
      return named === condition.not ? [] : packets;
    }
    case 'state':
      return condition.states.includes('new') === condition.not ? [] : packets;
    case 'source':
    case 'destination': {
      const { field, prefixes, not } = condition;
      // Such a condition asks for the family, too, whichever way it is meant.
      if (prefixes.some(prefix => prefixFamily(prefix) !== prefixFamily(flow.source))) return [];
      return within(packets, field, rangesOf(prefixes, not));
    }
    case 'other':
      return packets;
  }
}

/** iptables ends a pattern with +, nft with *. */
function isPattern(name: string): boolean {
  return /[+*]$/.test(name);
}

function fits(name: string, device: string): boolean {
  return isPattern(name) ? device.startsWith(name.slice(0, -1)) : name === device;
}
