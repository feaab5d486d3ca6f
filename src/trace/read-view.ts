/** Reads the kernel of the process's own network namespace, or of another, for a trace. */

import { addresses } from '../kernel/addresses.ts';
import { fdb } from '../kernel/fdb.ts';
import { links } from '../kernel/links.ts';
import type { MonitoredObject } from '../kernel/monitor.ts';
import { neighbours } from '../kernel/neighbours.ts';
import { nextHops } from '../kernel/next-hops.ts';
import { decideRoute, type KernelDecision } from '../kernel/route-decision.ts';
import { routes } from '../kernel/routes.ts';
import { rules } from '../kernel/rules.ts';
import { modelOf, namesOf } from '../kernel/snapshot.ts';
import type { KernelObject, LinkName } from '../state/kernel-object.ts';
import type { Flow } from '../state/lookup.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { inNetns } from '../sys/netns.ts';
import { sysctl } from '../sys/sysctl.ts';
import type { Link } from '../wire/link.ts';
import type { Route } from '../wire/route.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import type { FirewallView, KernelView, ViewLink } from './view.ts';

/** Everything but the kernel's own decisions. @throws NetlinkError */
export async function readView(socket: NetlinkSocket, firewall: FirewallView): Promise<KernelView> {
  const all = await links.list(socket);
  const name = namesOf(all);
  const named = <T extends MonitoredObject['type']>(
    type: T,
    values: ReadonlyArray<Extract<MonitoredObject, { type: T }>['value']>,
  ) =>
    values.map(
      value =>
        modelOf({ type, value } as MonitoredObject, name).value as Extract<
          KernelObject,
          { type: T }
        >['value'],
    );
  return {
    links: all.map(link => viewLink(link, name)),
    addresses: named('address', await addresses.list(socket)),
    tables: {
      rules: [...(await rules.list(socket, { family: 4 })), ...(await rules.list(socket, { family: 6 }))],
      routes: named('route', await routes.list(socket)),
      nextHops: named('nexthop', await nextHops.list(socket).catch(absentOnOldKernels)),
      usable: new Set(all.filter(({ up }) => up).map(link => link.name)),
    },
    neighbours: named('neighbour', await neighbours.list(socket)),
    fdb: named('fdb', await fdb.list(socket)),
    settings: readSettings(socket.netns, all),
    firewall,
    decisions: new Map(),
  };
}

/** The kernel's own answer to where a packet goes; undefined when a device of the question is not there. */
export async function askKernel(
  socket: NetlinkSocket,
  { links: all }: KernelView,
  flow: Flow,
): Promise<KernelDecision<LinkName> | undefined> {
  const number = (dev: LinkName | undefined): IfIndex | undefined =>
    all.find(link => link.name === dev)?.index;
  const [iif, oif] = [number(flow.iif), number(flow.oif)];
  if ((iif === undefined) !== (flow.iif === undefined) || (oif === undefined) !== (flow.oif === undefined))
    return undefined;
  const decision = await decideRoute(socket, { ...flow, iif, oif });
  if (decision.type === 'refused') return decision;
  const name = namesOf(all.map(link => ({ index: link.index, name: link.name }) as Link));
  const named = (route: Route): Route<LinkName> =>
    modelOf({ type: 'route', value: route }, name).value as Route<LinkName>;
  return { ...decision, way: named(decision.way), entry: decision.entry && named(decision.entry) };
}

function viewLink(link: Link, name: (index: IfIndex) => LinkName): ViewLink {
  const { kind, parentNetnsId, master } = link;
  const elsewhere = parentNetnsId !== undefined;
  const dev = kind.kind === 'vxlan' && kind.dev !== undefined && !elsewhere ? name(kind.dev) : undefined;
  return {
    ...link,
    kind: kind.kind === 'vxlan' ? { ...kind, dev } : kind,
    master: master === undefined ? undefined : name(master),
    below: dev,
  };
}

function readSettings(netns: string | undefined, all: readonly Link[]): Map<string, string | undefined> {
  const read = (): Map<string, string | undefined> => {
    const devices = ['all', ...all.map(link => link.name)];
    const keys = [
      ...devices.flatMap(name => [`net/ipv4/conf/${name}/rp_filter`, `net/ipv4/conf/${name}/forwarding`]),
      'net/ipv4/ip_forward',
      'net/ipv6/conf/all/forwarding',
    ];
    return new Map(keys.map(key => [key, sysctl.read(key)]));
  };
  return netns === undefined ? read() : inNetns(netns, read);
}

function absentOnOldKernels(error: unknown): [] {
  if (error instanceof NetlinkError && ['EOPNOTSUPP', 'EINVAL'].includes(error.errnoName)) return [];
  throw error;
}
