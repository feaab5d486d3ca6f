/**
 * Where the kernel would send a packet, thought through as the kernel does: policy rules in the order of their priority
 * (net/core/fib_rules.c fib_rules_lookup), in each table the longest prefix, then the TOS, then the lowest metric
 * (net/ipv4/fib_trie.c fib_table_lookup, net/ipv6/route.c fib6_table_lookup). The kernel's own answer has the last word.
 */
import type { Family, IpAddress } from '../base/ip.ts';
import { prefixContains, prefixFamily, prefixLength } from '../base/prefix.ts';
import type { NextHop } from '../wire/next-hop.ts';
import { mainTable, type Route } from '../wire/route.ts';
import type { Rule } from '../wire/rule.ts';
import type { LinkName } from './kernel-object.ts';

/** What routing looks at in a packet. */
export interface Flow {
  readonly family: Family;
  readonly destination: IpAddress;
  /** Undefined: the host sends it and has not chosen yet. */
  readonly source: IpAddress | undefined;
  /** Undefined: the host itself sends it. */
  readonly iif: LinkName | undefined;
  /** Where the sender wants it to leave. */
  readonly oif: LinkName | undefined;
  readonly mark?: number | undefined;
  readonly tos?: number | undefined;
}

/** Both families together, each in the order in which the kernel lists them. */
export interface RoutingTables {
  readonly rules: readonly Rule[];
  readonly routes: ReadonlyArray<Route<LinkName>>;
  readonly nextHops: ReadonlyArray<NextHop<LinkName>>;
  /** Devices that are up; ways over others are dead. */
  readonly usable: ReadonlySet<LinkName>;
}

/** One way out of those that a route gives. */
export interface Way {
  readonly dev: LinkName;
  /** Undefined: the destination itself is on the link. */
  readonly gateway: IpAddress | undefined;
}

export type Decision =
  | {
      readonly type: 'route';
      readonly rule: Rule;
      readonly route: Route<LinkName>;
      /** Of several the kernel takes one by a hash of the packet's addresses. None for a route without device. */
      readonly ways: readonly Way[];
    }
  | {
      readonly type: 'refused';
      readonly verdict: 'blackhole' | 'unreachable' | 'prohibit';
      readonly rule: Rule;
      /** Undefined: the rule itself refuses. */
      readonly route: Route<LinkName> | undefined;
    }
  /** IPv4, told to leave by `dev`, and no route does: the kernel takes the destination to be on that link. */
  | { readonly type: 'assumed'; readonly dev: LinkName }
  | { readonly type: 'none' };

/** Rules passed over because they ask for what the flow does not tell (ports, users) are in {@link unjudgedRules}. */
export function lookupRoute(tables: RoutingTables, flow: Flow): Decision {
  const decision = askRules(tables, flow);
  const { family, iif, oif } = flow;
  if (family === 6 || iif !== undefined || oif === undefined || decision.type === 'route') return decision;
  // "Apparently, routing tables are wrong": net/ipv4/route.c ip_route_output_key_hash_rcu.
  return { type: 'assumed', dev: oif };
}

function askRules(tables: RoutingTables, flow: Flow): Decision {
  const rules = tables.rules.filter(({ family }) => family === flow.family);
  for (let index = 0; index < rules.length; index++) {
    const rule = rules[index] as Rule;
    if (!matches(rule, flow)) continue;
    const { action } = rule;
    if (action.type === 'nop') continue;
    if (action.type === 'goto') {
      // Only ever onwards (fib_nl_newrule refuses the way back).
      const target = rules.findIndex(({ priority }) => priority === action.priority);
      if (target > index) index = target - 1;
      continue;
    }
    if (action.type !== 'lookup') return { type: 'refused', verdict: action.type, rule, route: undefined };
    const decision = lookupTable(tables, rule, action.table, flow);
    if (decision !== undefined) return decision;
  }
  return { type: 'none' };
}

/** Rules that were asked before the one that decided, and that other packets to the same destination may meet. */
export function unjudgedRules({ rules }: RoutingTables, flow: Flow, decision: Decision): Rule[] {
  const end = 'rule' in decision ? decision.rule.priority : Number.POSITIVE_INFINITY;
  return rules.filter(
    rule =>
      rule.family === flow.family &&
      rule.priority < end &&
      (rule.others.length > 0 || rule.mark !== undefined || rule.tos !== 0) &&
      matches({ ...rule, others: [], mark: undefined, tos: 0, not: false }, flow),
  );
}

/** The ways of a route, those of its next-hop objects included. */
export function waysOf(
  { dev, gateway, multipath, nextHopId }: Route<LinkName>,
  nextHops: ReadonlyArray<NextHop<LinkName>>,
): Way[] {
  if (multipath !== undefined) return multipath.map(hop => ({ dev: hop.dev, gateway: hop.gateway }));
  if (dev !== undefined) return [{ dev, gateway }];
  const hop = nextHops.find(({ id }) => id === nextHopId);
  const shares = hop?.group?.map(({ id }) => nextHops.find(one => one.id === id)) ?? [hop];
  return shares.flatMap(one => (one?.dev === undefined ? [] : [{ dev: one.dev, gateway: one.gateway }]));
}

function matches(rule: Rule, flow: Flow): boolean {
  return meets(rule, flow) !== rule.not;
}

function meets(rule: Rule, { destination, source, iif = 'lo', oif, mark = 0, tos = 0 }: Flow): boolean {
  if (rule.detached || rule.others.length > 0) return false;
  if (rule.iif !== undefined && rule.iif !== iif) return false;
  if (rule.oif !== undefined && rule.oif !== oif) return false;
  if (rule.mark !== undefined && ((mark ^ rule.mark.value) & rule.mark.mask) !== 0) return false;
  if (rule.tos !== 0 && rule.tos !== tos) return false;
  if (rule.destination !== undefined && !prefixContains(rule.destination, destination)) return false;
  if (rule.source === undefined) return true;
  return source !== undefined && prefixContains(rule.source, source);
}

/** Undefined: the next rule is asked. */
function lookupTable(tables: RoutingTables, rule: Rule, table: number, flow: Flow): Decision | undefined {
  for (const route of candidates(tables, table, flow)) {
    const { type = 'unicast' } = route;
    const refusal = type === 'blackhole' || type === 'unreachable' || type === 'prohibit' ? type : undefined;
    const leadsNowhere = refusal !== undefined || type === 'throw';
    const ways = waysOf(route, tables.nextHops).filter(({ dev }) => isOpen(dev, tables, flow));
    // IPv6 keeps what leads nowhere on the loopback, and looks at that; IPv4's have no device.
    if (ways.length === 0 && (!leadsNowhere || route.dev !== undefined)) continue;
    if (type === 'throw') return undefined;
    if (refusal !== undefined) return { type: 'refused', verdict: refusal, rule, route };
    if (isSuppressed(rule, route)) return undefined;
    return { type: 'route', rule, route, ways };
  }
  return undefined;
}

function isSuppressed({ suppressPrefixLength }: Rule, { dst }: Route<LinkName>): boolean {
  return suppressPrefixLength !== undefined && prefixLength(dst) <= suppressPrefixLength;
}

/**
 * For IPv6 a device that a sender with an address wants is a wish, which decides between equals
 * (net/ipv6/route.c ip6_route_output_flags_noref, rt6_score_route).
 */
function isOpen(dev: LinkName, { usable }: RoutingTables, { family, source, iif, oif }: Flow): boolean {
  if (!usable.has(dev)) return false;
  return iif !== undefined || oif === undefined || dev === oif || (family === 6 && source !== undefined);
}

/** In the order in which the kernel takes them. */
function candidates({ routes }: RoutingTables, table: number, flow: Flow): Array<Route<LinkName>> {
  const { family, destination, tos = 0, oif } = flow;
  const off = (route: Route<LinkName>): number =>
    family === 6 && oif !== undefined && route.dev !== oif ? 1 : 0;
  return routes
    .filter(
      route =>
        (route.table ?? mainTable) === table &&
        prefixFamily(route.dst) === family &&
        ((route.tos ?? 0) === 0 || route.tos === tos) &&
        prefixContains(route.dst, destination),
    )
    .sort(
      (one, other) =>
        prefixLength(other.dst) - prefixLength(one.dst) ||
        (other.tos ?? 0) - (one.tos ?? 0) ||
        (one.metric ?? 0) - (other.metric ?? 0) ||
        off(one) - off(other),
    );
}
