/** Which host `-peer` means, by the kernel's own entries. */
import { WeftError } from '../base/errors.ts';
import { addressBits, type IpAddress } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixCovers, prefixFamily, prefixLength } from '../base/prefix.ts';
import { fdb } from '../kernel/fdb.ts';
import { neighbours } from '../kernel/neighbours.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Route } from '../wire/route.ts';
import type { HostTables, OverlayDevice } from './overlay-devices.ts';

export interface PeerQuestion {
  /** An address (/32, /128) of the underlay or of the overlay, or a subnet of the overlay. */
  readonly peer: Prefix;
  readonly tables: HostTables;
  readonly devices: readonly OverlayDevice[];
  /** The overlay's address ranges, as far as they are known. */
  readonly networks: readonly Prefix[];
}

/**
 * The underlay address of a peer: of an overlay address or subnet, that to which route, neighbour and FDB entry lead. What
 * they do not lead to is an underlay address itself.
 * @throws WeftError `peer-unresolved` when an entry is missing, `peer-direct` when nothing is wrapped on the way to it;
 * NetlinkError
 */
export async function peerHost(socket: NetlinkSocket, question: PeerQuestion): Promise<IpAddress> {
  const { peer, tables, devices } = question;
  const vteps = await fdb.list(socket);
  const isAddress = prefixLength(peer) === addressBits[prefixFamily(peer)];
  if (isAddress && vteps.some(({ dst }) => dst === prefixBase(peer))) return prefixBase(peer);
  const route = routeTo(tables.routes, peer);
  const device = devices.find(({ link }) => link.index === route?.dev);
  if (route !== undefined && device !== undefined) return await behind(socket, route, device, peer);
  if (question.networks.some(network => prefixCovers(network, peer))) throw notWrapped(question, route);
  if (isAddress) return prefixBase(peer);
  throw unresolved(`no route of this host leads to ${peer}`);
}

/** The longest prefix wins, as in the kernel. */
function routeTo(all: readonly Route[], peer: Prefix): Route | undefined {
  return all
    .filter(({ dst }) => prefixFamily(dst) === prefixFamily(peer) && prefixCovers(dst, peer))
    .reduce<Route | undefined>(
      (best, route) =>
        best === undefined || prefixLength(route.dst) > prefixLength(best.dst) ? route : best,
      undefined,
    );
}

async function behind(
  socket: NetlinkSocket,
  { dst, gateway }: Route,
  { link, vni }: OverlayDevice,
  peer: Prefix,
): Promise<IpAddress> {
  const { name, index: dev } = link;
  if (vni === undefined) throw unresolved(`which host ${peer} is on, behind ${name}, only the daemon knows`);
  const way = `the route to ${dst} leads to ${gateway ?? 'no gateway'} on ${name}`;
  const neighbour = (await neighbours.list(socket, { dev })).find(entry => entry.dst === gateway);
  if (neighbour?.lladdr === undefined) throw unresolved(`${way}, which has no neighbour entry`);
  const entry = (await fdb.list(socket, { dev })).find(({ lladdr }) => lladdr === neighbour.lladdr);
  if (entry?.dst === undefined)
    throw unresolved(`${way} with the MAC ${neighbour.lladdr}, which has no FDB entry`);
  return entry.dst;
}

function unresolved(what: string): WeftError {
  return new WeftError('peer-unresolved', what, { remedy: 'name the underlay address of that host instead' });
}

/** DirectRouting, host-gw, or this host's own subnet. */
function notWrapped({ peer, tables }: PeerQuestion, route: Route | undefined): WeftError {
  if (route === undefined) return unresolved(`no route of this host leads to ${peer}`);
  const device = tables.links.find(({ index }) => index === route.dev)?.name ?? 'any';
  const way = route.gateway === undefined ? `on ${device} itself` : `by ${route.gateway} on ${device}`;
  return new WeftError(
    'peer-direct',
    `packets to ${peer} go ${way} as they are: there is no tunnel around them to decode`,
    { remedy: `capture the packets themselves: tcpdump -ni ${device} net ${route.dst}` },
  );
}
