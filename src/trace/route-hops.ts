import type { KernelDecision } from '../kernel/route-decision.ts';
import type { LinkName } from '../state/kernel-object.ts';
import {
  type Decision,
  type Flow,
  lookupRoute,
  type RoutingTables,
  unjudgedRules,
  type Way,
} from '../state/lookup.ts';
import { mainTable, type Route } from '../wire/route.ts';
import { ruleText } from '../wire/rule-text.ts';
import { routeEntry, ruleEntry } from './entry-text.ts';
import { command } from './hop.ts';
import { linkRoute } from './link-route.ts';
import { mendRoute } from './mend-route.ts';
import { misled, refusal, wayText, wrongSource } from './route-cause.ts';
import { flowKey } from './view.ts';
import { type Leg, meet, type Walk } from './walk.ts';

const localTable = 255;

export interface Routed {
  readonly route: Route<LinkName> | undefined;
  readonly way: Way;
  /** What the host puts in as its own address, where it may choose. */
  readonly source: Flow['source'];
}

/** @param wanted the route that the plan has for this; undefined: any will do */
export function routePacket(
  walk: Walk,
  leg: Leg,
  flow: Flow,
  wanted: Route<LinkName> | undefined,
): Routed | undefined {
  const key = flowKey(flow);
  walk.asked.set(key, flow);
  const model = lookupRoute(walk.view.tables, flow);
  const kernel = walk.view.decisions.get(key);
  if (kernel?.type === 'refused' || (kernel === undefined && !('ways' in model) && model.type !== 'assumed'))
    return refuse(walk, leg, flow, model, kernel?.type === 'refused' ? kernel.errno : undefined, wanted);
  const routed = routedBy(walk.view.tables, model, kernel);
  if (routed === undefined) return undefined;
  meetRule(walk, leg, flow, model);
  return judge(walk, leg, flow, model, kernel, routed, wanted) ? routed : undefined;
}

function meetRule(walk: Walk, leg: Leg, flow: Flow, model: Decision): void {
  if (!('rule' in model)) return;
  const others = unjudgedRules(walk.view.tables, flow, model);
  const text = others.length === 0 ? '' : `other packets may take: ${others.map(ruleText).join('; ')}`;
  meet(walk, leg, { kind: 'rule', verdict: 'passes', text, entries: [ruleEntry(model.rule)] });
}

/**
 * The first address of an IPv6 subnet is an anycast address of every router on it (RFC 4291 section 2.6.1), and on the
 * tunnel's device the host's own. Both routes deliver here, and the kernel takes now the one, now the other.
 */
function localTwin(
  { routes }: RoutingTables,
  route: Route<LinkName> | undefined,
): Route<LinkName> | undefined {
  if (route?.type !== 'anycast') return undefined;
  return routes.find(one => one.type === 'local' && isAlike(one, route));
}

function routedBy(
  tables: RoutingTables,
  model: Decision,
  kernel: KernelDecision<LinkName> | undefined,
): Routed | undefined {
  if (kernel?.type === 'way') {
    const { way, entry, source } = kernel;
    const { dev = '', gateway } = way;
    const agreed = model.type === 'route' && isSame(model.route, entry) ? model.route : entry;
    const own = localTwin(tables, agreed);
    return {
      route: own ?? agreed ?? (way.type === 'local' ? way : undefined),
      way: { dev, gateway },
      source,
    };
  }
  if (model.type === 'assumed')
    return { route: undefined, way: { dev: model.dev, gateway: undefined }, source: undefined };
  if (model.type !== 'route' || model.ways[0] === undefined) return undefined;
  return { route: model.route, way: model.ways[0], source: model.route.preferredSource };
}

function judge(
  walk: Walk,
  leg: Leg,
  flow: Flow,
  model: Decision,
  kernel: KernelDecision<LinkName> | undefined,
  { route, way }: Routed,
  wanted: Route<LinkName> | undefined,
): boolean {
  const entries = route === undefined ? [] : [routeEntry(route)];
  if (wanted !== undefined && !leadsAs(way, wanted)) {
    const cause = misled(walk, wanted, route, way);
    const remedy = mendRoute(walk, flow, wanted);
    return meet(walk, leg, { kind: 'route', verdict: 'broken', entries, cause, remedy });
  }
  if (kernel !== undefined && !agrees(model, kernel)) {
    const thought = model.type === 'route' ? routeEntry(model.route).line : 'that no route leads there';
    return meet(walk, leg, {
      kind: 'route',
      verdict: 'doubtful',
      entries,
      cause: `the kernel decides so; its tables read as if it were ${thought}`,
      remedy: command('they may have changed just now: trace again'),
    });
  }
  if (route === undefined) {
    const text = `no route leads to ${flow.destination}: the kernel takes it to be on the link of ${way.dev}`;
    return meet(walk, leg, {
      kind: 'route',
      verdict: 'doubtful',
      cause: text,
      remedy: linkRoute(walk.view, flow.destination, way.dev),
    });
  }
  const ways = model.type === 'route' ? model.ways.length : 1;
  const text = ways > 1 ? `of ${ways} ways this packet takes ${wayText(way)}` : '';
  return meet(walk, leg, { kind: 'route', verdict: 'passes', text, entries });
}

function refuse(
  walk: Walk,
  leg: Leg,
  flow: Flow,
  model: Decision,
  errno: string | undefined,
  wanted: Route<LinkName> | undefined,
): undefined {
  const entries = 'route' in model && model.route !== undefined ? [routeEntry(model.route)] : [];
  if (errno === 'EXDEV' || (errno === 'EINVAL' && flow.iif !== undefined && model.type === 'route')) {
    meetRule(walk, leg, flow, model);
    meet(walk, leg, { kind: 'route', verdict: 'broken', entries, ...wrongSource(walk, flow, errno) });
    return;
  }
  if ('rule' in model) {
    const isRule = model.type === 'refused' && model.route === undefined;
    const entry = ruleEntry(model.rule);
    meet(walk, leg, {
      kind: 'rule',
      verdict: isRule ? 'broken' : 'passes',
      entries: [entry],
      ...(isRule ? refusal(walk, flow, model, wanted) : {}),
    });
    if (isRule) return;
  }
  meet(walk, leg, { kind: 'route', verdict: 'broken', entries, ...refusal(walk, flow, model, wanted) });
}

function leadsAs({ dev, gateway }: Way, wanted: Route<LinkName>): boolean {
  return dev === wanted.dev && gateway === wanted.gateway;
}

function agrees(model: Decision, kernel: KernelDecision<LinkName>): boolean {
  if (kernel.type === 'refused') return model.type === 'refused' || model.type === 'none';
  const { entry, way } = kernel;
  if (model.type === 'assumed') return entry === undefined && way.dev === model.dev;
  if (model.type !== 'route') return false;
  if (entry === undefined)
    return model.route.type === way.type && model.ways.some(({ dev }) => dev === way.dev);
  return isAlike(model.route, entry);
}

function isSame(route: Route<LinkName>, entry: Route<LinkName> | undefined): boolean {
  return entry !== undefined && isAlike(route, entry) && route.type === entry.type && route.dev === entry.dev;
}

/** Of routes alike in this the kernel takes one by what nobody tells, such as the order in which they were made. */
function isAlike({ dst, table, metric = 0 }: Route<LinkName>, entry: Route<LinkName>): boolean {
  // Until there is a rule of somebody's own, IPv4 keeps the table `local` in `main` (net/ipv4/fib_frontend.c fib_unmerge).
  const isSameTable = entry.table === table || (table === localTable && entry.table === mainTable);
  return entry.dst === dst && isSameTable && (entry.metric ?? 0) === metric;
}
