/**
 * The three kernel entries by which a host sends to a peer's subnet over VXLAN, read back:
 *
 *     subnet --route--> gateway --neighbour--> MAC --FDB--> underlay address
 */
import type { Prefix } from '../base/prefix.ts';
import { fdb } from '../kernel/fdb.ts';
import { neighbours } from '../kernel/neighbours.ts';
import { routes } from '../kernel/routes.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import type { Route } from '../wire/route.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';

export interface PeerEntries {
  readonly route: Route;
  readonly neighbour: Neighbour;
  readonly fdb: FdbEntry;
  /** The VXLAN device that all three belong to. */
  readonly dev: IfIndex;
}

/** The entries for each of the subnets; what lacks one of the three is left out. @throws NetlinkError */
export async function readPeerEntries(
  socket: NetlinkSocket,
  subnets: readonly Prefix[],
): Promise<Map<Prefix, PeerEntries>> {
  const routeOf = new Map((await routes.list(socket, { family: 4 })).map(route => [route.dst, route]));
  const neighbourOf = new Map(
    (await neighbours.list(socket, { family: 4 })).map(entry => [keyOf(entry, entry.dst), entry]),
  );
  const fdbOf = new Map((await fdb.list(socket)).map(entry => [keyOf(entry, entry.lladdr), entry]));
  const found = new Map<Prefix, PeerEntries>();
  for (const subnet of subnets) {
    const route = routeOf.get(subnet);
    const dev = route?.dev;
    if (route?.gateway === undefined || dev === undefined) continue;
    const neighbour = neighbourOf.get(keyOf({ dev }, route.gateway));
    if (neighbour?.lladdr === undefined) continue;
    const entry = fdbOf.get(keyOf({ dev }, neighbour.lladdr));
    if (entry?.dst !== undefined) found.set(subnet, { route, neighbour, fdb: entry, dev });
  }
  return found;
}

function keyOf({ dev }: { readonly dev: IfIndex }, address: string): string {
  return `${dev} ${address}`;
}
