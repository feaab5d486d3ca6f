/**
 * How a host's kernel leads to a peer's subnet, read back; what it is depends on the backend:
 *
 *     vxlan            subnet --route--> gateway --neighbour--> MAC --FDB--> underlay address
 *     host-gw, direct  subnet --route--> underlay address
 *     udp              network --route--> TUN: the daemon knows the rest
 */
import { type Prefix, prefixCovers, prefixFamily, prefixLength } from '../base/prefix.ts';
import { fdb } from '../kernel/fdb.ts';
import { links } from '../kernel/links.ts';
import { neighbours } from '../kernel/neighbours.ts';
import { routes } from '../kernel/routes.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import { mainTable, type Route } from '../wire/route.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import type { Vxlan } from '../wire/vxlan-link.ts';

export type PeerWay = { readonly route: Route; readonly link: Link } & (
  | { readonly type: 'vxlan'; readonly vxlan: Vxlan; readonly neighbour: Neighbour; readonly fdb: FdbEntry }
  | { readonly type: 'direct' }
  | { readonly type: 'tun' }
);

/** The way to each of the subnets; one of which a part is missing is left out. @throws NetlinkError */
export async function readPeerWays(
  socket: NetlinkSocket,
  subnets: readonly Prefix[],
): Promise<Map<Prefix, PeerWay>> {
  const tables = await readTables(socket);
  return new Map(
    subnets.flatMap(subnet => {
      const way = wayTo(tables, subnet);
      return way === undefined ? [] : [[subnet, way] as const];
    }),
  );
}

interface Tables {
  readonly routes: readonly Route[];
  readonly links: ReadonlyMap<IfIndex, Link>;
  readonly neighbours: ReadonlyMap<string, Neighbour>;
  readonly fdb: ReadonlyMap<string, FdbEntry>;
}

async function readTables(socket: NetlinkSocket): Promise<Tables> {
  const main = (await routes.list(socket)).filter(({ table = mainTable }) => table === mainTable);
  return {
    routes: main.sort((one, other) => prefixLength(other.dst) - prefixLength(one.dst)),
    links: new Map((await links.list(socket)).map(link => [link.index, link])),
    neighbours: new Map((await neighbours.list(socket)).map(entry => [keyOf(entry, entry.dst), entry])),
    fdb: new Map((await fdb.list(socket)).map(entry => [keyOf(entry, entry.lladdr), entry])),
  };
}

function wayTo(tables: Tables, subnet: Prefix): PeerWay | undefined {
  const route = routeTo(tables, subnet);
  const link = tables.links.get(route?.dev ?? 0);
  if (route === undefined || link === undefined) return undefined;
  if (link.kind.kind === 'tun') return { type: 'tun', route, link };
  // Anything shorter than the peer's own is the way to strangers.
  if (route.dst !== subnet || route.gateway === undefined) return undefined;
  if (link.kind.kind !== 'vxlan') return { type: 'direct', route, link };
  const neighbour = tables.neighbours.get(keyOf({ dev: link.index }, route.gateway));
  const entry = tables.fdb.get(keyOf({ dev: link.index }, neighbour?.lladdr ?? ''));
  if (neighbour === undefined || entry?.dst === undefined) return undefined;
  return { type: 'vxlan', route, link, vxlan: link.kind, neighbour, fdb: entry };
}

function routeTo({ routes: all }: Tables, subnet: Prefix): Route | undefined {
  const exact = all.find(({ dst }) => dst === subnet);
  return (
    exact ?? all.find(({ dst }) => prefixFamily(dst) === prefixFamily(subnet) && prefixCovers(dst, subnet))
  );
}

function keyOf({ dev }: { readonly dev: IfIndex }, address: string): string {
  return `${dev} ${address}`;
}
