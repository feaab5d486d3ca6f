/** Does the kernel take the routes to the peers, or does something stand before them? */
import { subnetOf } from '../../backend/family.ts';
import { type IpAddress, ipAdd } from '../../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixLength, prefixOf } from '../../base/prefix.ts';
import type { KernelDecision } from '../../kernel/route-decision.ts';
import { keyOf, type LinkName } from '../../state/kernel-object.ts';
import { type Flow, lookupRoute } from '../../state/lookup.ts';
import { routeEntry, ruleEntry } from '../../trace/entry-text.ts';
import { mendRoute } from '../../trace/mend-route.ts';
import { askKernel } from '../../trace/read-view.ts';
import { wayText } from '../../trace/route-cause.ts';
import type { KernelView, NetworkView as TraceNetwork } from '../../trace/view.ts';
import type { MemberView } from '../../view/member-view.ts';
import { mainTable, type Route } from '../../wire/route.ts';
import type { Check } from '../check.ts';
import { commandsIn } from '../commands-in.ts';
import { counted } from '../counted.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import type { Scene } from '../scene.ts';

export const shadowedRoutes: Check = { name: 'shadowed-routes', title: 'routes in force', look };

/** Chosen: a question is some 30 microseconds, and beyond this number one finds what stands before many. */
const mostQuestions = 150;
const mostFindings = 5;

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const [member, kernel] = await Promise.all([scene.member(), scene.kernel()]);
  const routes = peerRoutes(scene, member);
  if (routes.size === 0) return skip('no route of a peer is there to be looked at');
  const flows = flowsTo(routes, member, kernel).slice(0, mostQuestions);
  const culprits: Culprit[] = [];
  const told = new Set<Prefix>();
  for (const { flow, wanted } of flows) {
    if (told.has(wanted.dst)) continue;
    const decision = await askKernel(scene.tools.socket, kernel, flow);
    if (decision === undefined || isAsWanted(decision, wanted)) continue;
    told.add(wanted.dst);
    blame(culprits, { kernel, flow, wanted, decision });
  }
  if (culprits.length > 0) return culprits.slice(0, mostFindings).map(culprit => findingOf(scene, culprit));
  return ok(
    `${counted(routes.size, 'route')} to peers in force, by ${counted(flows.length, 'question')} to the kernel`,
  );
}

/** Those that are there and right; the rest is another check's. */
function peerRoutes(
  scene: Scene,
  { peers, desired, steps, membership }: MemberView,
): Map<Prefix, Route<LinkName>> {
  const changed = new Set(steps.map(({ object }) => keyOf(object)));
  const concerned = new Set(
    peers.used
      .filter(({ lease, routed }) =>
        scene.concerns({ address: lease.attrs.publicIp ?? lease.attrs.publicIpv6, subnets: routed }),
      )
      .flatMap(({ routed }) => routed),
  );
  const routes = new Map<Prefix, Route<LinkName>>();
  for (const object of desired.values()) {
    if (object.type !== 'route' || changed.has(keyOf(object)) || !concerned.has(object.value.dst)) continue;
    routes.set(object.value.dst, object.value);
  }
  const { subnet } = membership.host.lease;
  for (const own of [subnet.ipv4, subnet.ipv6]) if (own !== undefined) routes.delete(own);
  return routes;
}

interface Question {
  readonly flow: Flow;
  readonly wanted: Route<LinkName>;
}

/** First to where another route is in the tables, then to the first host of each peer. */
function flowsTo(
  routes: ReadonlyMap<Prefix, Route<LinkName>>,
  member: MemberView,
  kernel: KernelView,
): Question[] {
  const plain = [
    ...suspects(routes, kernel),
    ...[...routes.values()].map(wanted => ({ to: firstHost(wanted), wanted })),
  ];
  const senders = sendersOf(member, kernel);
  return plain.flatMap(({ to: destination, wanted }) =>
    senders
      .filter(({ family }) => family === prefixFamily(wanted.dst))
      .map(sender => ({ wanted, flow: { ...sender, destination, oif: undefined } })),
  );
}

function firstHost({ dst }: Route<LinkName>): IpAddress {
  return ipAdd(prefixBase(dst), 1n);
}

/** Other routes into the subnets of peers, whatever their table: in force or not the kernel tells. */
function* suspects(routes: ReadonlyMap<Prefix, Route<LinkName>>, { tables }: KernelView) {
  const lengths = [...new Set([...routes.keys()].map(prefixLength))];
  for (const { dst, table } of tables.routes) {
    const wanted = lengths
      .filter(length => length <= prefixLength(dst) && (length < prefixLength(dst) || table !== mainTable))
      .map(length => routes.get(sameFamilyPrefix(dst, length) ?? dst))
      .find(route => route !== undefined && prefixFamily(route.dst) === prefixFamily(dst));
    if (wanted !== undefined)
      yield { to: prefixLength(dst) > 30 ? prefixBase(dst) : ipAdd(prefixBase(dst), 1n), wanted };
  }
}

function sameFamilyPrefix(dst: Prefix, length: number): Prefix | undefined {
  return length > prefixLength(dst) ? undefined : prefixOf(prefixBase(dst), length);
}

/** The host itself; where policy rules may tell them apart also a sender with our subnet's address, and a container. */
function sendersOf({ membership }: MemberView, { tables, addresses }: KernelView) {
  return ([4, 6] as const).flatMap((family): Array<Pick<Flow, 'family' | 'source' | 'iif'>> => {
    const host = { family, source: undefined, iif: undefined };
    const subnet = subnetOf(membership.host.lease.subnet, family);
    const hasRules = tables.rules.some(
      rule => rule.family === family && ![0, 32766, 32767].includes(rule.priority),
    );
    if (!hasRules || subnet === undefined) return [host];
    const source = addresses.find(({ local }) => prefixOf(local, prefixLength(subnet)) === subnet)?.local;
    const bridge = addresses.find(
      ({ local, prefixLength: length }) => local === ipAdd(prefixBase(subnet), 1n) && length < 32,
    )?.dev;
    return [
      host,
      ...(source === undefined ? [] : [{ family, source, iif: undefined }]),
      ...(bridge === undefined ? [] : [{ family, source: ipAdd(prefixBase(subnet), 2n), iif: bridge }]),
    ];
  });
}

/** What the reverse path filter refuses is another check's. */
function isAsWanted(decision: KernelDecision<LinkName>, wanted: Route<LinkName>): boolean {
  if (decision.type === 'refused') return ['EXDEV', 'EPERM'].includes(decision.errno);
  const { dev, gateway } = decision.way;
  return dev === wanted.dev && gateway === wanted.gateway;
}

/** Nothing of it is needed where the route is there. */
const unknown: TraceNetwork = {
  ...{ unread: undefined, config: undefined, leases: [], networks: [], subnet: undefined, own: undefined },
};

interface Shadow extends Question {
  readonly kernel: KernelView;
  readonly decision: KernelDecision<LinkName>;
}

/** What stands before the route to one peer, or before those to several, as a policy rule does. */
interface Culprit extends Shadow {
  readonly commands: readonly string[];
  readonly text: string;
  /** The further peers. */
  readonly others: Prefix[];
}

/** What takes away the one that was found first takes away the same before other peers' routes. */
function blame(culprits: Culprit[], shadow: Shadow): void {
  const { kernel, flow, wanted } = shadow;
  const { family, destination } = flow;
  const walk = {
    ...{ view: kernel, network: unknown, wish: undefined, family, destination },
    ...{ hops: [], asked: new Map() },
  };
  const { commands, text } = mendRoute(walk, flow, wanted);
  const isNew = (command: string): boolean => !culprits.some(known => known.commands.includes(command));
  const known = culprits.find(culprit => commands.some(command => culprit.commands.includes(command)));
  if (known !== undefined && !commands.some(isNew)) known.others.push(wanted.dst);
  else culprits.push({ ...shadow, commands: commands.filter(isNew), text, others: [] });
}

function findingOf(
  scene: Scene,
  { kernel, flow, wanted, decision, commands, text, others }: Culprit,
): Finding {
  const model = lookupRoute(kernel.tables, flow);
  const entries = [
    ...('rule' in model && ![0, 32766].includes(model.rule.priority) ? [ruleEntry(model.rule)] : []),
    ...('route' in model && model.route !== undefined ? [routeEntry(model.route)] : []),
    routeEntry(wanted),
  ];
  const more = others.length === 0 ? '' : `, and likewise for ${others.length} more peers`;
  return fail(`${whoTakes(flow, decision)}, not by the route to ${wanted.dst}${more}`, {
    evidence: entries.map(({ tool, line }) => `${tool}: ${line}`),
    remedy: { commands: commandsIn(scene.netns, commands), text },
    peer: others.length === 0 ? wanted.dst : undefined,
  });
}

function whoTakes({ destination, source, iif }: Flow, decision: KernelDecision<LinkName>): string {
  const from = iif === undefined ? (source === undefined ? '' : ` from ${source}`) : ' of containers';
  if (decision.type === 'refused')
    return `packets${from} to ${destination} are refused by the kernel (${decision.errno})`;
  const { dev = '', gateway } = decision.way;
  return `packets${from} to ${destination} go ${wayText({ dev, gateway })}`;
}
