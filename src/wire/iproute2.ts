/**
 * Each object as the iproute2 command that would do the same: for errors, logs, `weft plan` and people. Devices
 * known only by number are written `if7`, which iproute2 understands.
 */
import { addressBits, familyOf, type IpAddress } from '../base/ip.ts';
import { everything, prefixFamily, prefixLength } from '../base/prefix.ts';
import type { Address } from './address.ts';
import { deviceName, deviceWords, pair, words } from './iproute2-words.ts';
import type { FdbEntry, Neighbour, NeighbourState } from './neighbour.ts';
import type { NextHop } from './next-hop.ts';
import { effectiveScope, type Route } from './route.ts';
import type { Dev, Verb } from './rtnetlink.ts';

export { linkCommand } from './iproute2-link.ts';
export { deviceName } from './iproute2-words.ts';

export function addressCommand(
  verb: Verb,
  { dev, local, prefixLength: length, peer, scope }: Address<Dev>,
): string {
  // With a peer the prefix is that of the other end.
  const ends = peer === undefined ? `${local}/${length}` : `${local} peer ${peer}/${length}`;
  return words(
    'ip address',
    verb,
    ends,
    deviceWords('dev', dev),
    pair('scope', scope === 'global' ? undefined : scope),
    familyOf(local) === 6 && verb !== 'delete' ? 'nodad' : undefined,
  );
}

export function routeCommand(verb: Verb, route: Route<Dev>): string {
  const { type, table = mainTable, nextHopId, scope } = route;
  // What is told only by a next-hop object, or only when read back, is refused beside it.
  const way =
    nextHopId === undefined
      ? {}
      : { gateway: undefined, dev: undefined, onlink: false, multipath: undefined };
  // iproute2 puts such routes into the table `local`.
  const elsewhere = type === 'local' || type === 'broadcast' || type === 'anycast';
  return words(
    prefixFamily(route.dst) === 6 ? 'ip -6 route' : 'ip route',
    verb,
    ...routeWords({ ...route, ...way }),
    pair('table', table === mainTable && elsewhere ? 'main' : undefined),
    pair('scope', scope),
    ...(nextHopId === undefined ? hopWords(route) : []),
  );
}

/** A route as `ip route show table all` lists it, on one line. */
export function routeText(route: Route<Dev>): string {
  const scope = effectiveScope(route);
  return words(...routeWords(route, scope === 'global' ? undefined : `scope ${scope}`), ...hopWords(route));
}

/** In the order of iproute2's print_route. */
function routeWords(route: Route<Dev>, scope?: string): Array<string | undefined> {
  const { dst, gateway, table = mainTable, protocol = 'boot', type = 'unicast' } = route;
  return [
    type === 'unicast' ? undefined : String(type),
    dst === everything[4] || dst === everything[6] ? 'default' : hostless(dst),
    route.tos === undefined || route.tos === 0
      ? undefined
      : `tos 0x${route.tos.toString(16).padStart(2, '0')}`,
    pair('nhid', route.nextHopId),
    viaWords(dst, gateway),
    deviceWords('dev', route.dev),
    pair('table', table === mainTable ? undefined : tableName(table)),
    pair('proto', protocol === 'boot' ? undefined : protocol),
    scope,
    pair('src', route.preferredSource),
    pair('metric', route.metric === 0 ? undefined : route.metric),
    route.onlink === true ? 'onlink' : undefined,
    pair('mtu', route.mtuBytes),
  ];
}

function hopWords({ dst, multipath = [] }: Route<Dev>): string[] {
  return multipath.map(({ gateway, dev, weight, onlink }) =>
    words(
      'nexthop',
      viaWords(dst, gateway),
      deviceWords('dev', dev),
      `weight ${weight}`,
      onlink ? 'onlink' : undefined,
    ),
  );
}

/** RFC 5549: the gateway of an IPv4 route may be an IPv6 address. */
function viaWords(dst: Route['dst'], gateway: IpAddress | undefined): string | undefined {
  const foreign = gateway !== undefined && familyOf(gateway) !== prefixFamily(dst);
  return pair(foreign ? 'via inet6' : 'via', gateway);
}

const mainTable = 254;

function tableName(table: number): string | number {
  return { 253: 'default', 254: 'main', 255: 'local' }[table] ?? table;
}

export function nextHopCommand(verb: Verb, hop: NextHop<Dev>): string {
  if (verb === 'delete') return `ip nexthop delete id ${hop.id}`;
  return words(
    hop.gateway === undefined && hop.family === 6 ? 'ip -6 nexthop' : 'ip nexthop',
    verb,
    pair('id', hop.id),
    pair('group', hop.group?.map(({ id, weight }) => (weight === 1 ? `${id}` : `${id},${weight}`)).join('/')),
    hop.blackhole === true ? 'blackhole' : undefined,
    pair('via', hop.gateway),
    deviceWords('dev', hop.dev),
    // Other than `ip route`, `ip nexthop` knows no default.
    pair('proto', hop.protocol ?? 'boot'),
    hop.onlink === true ? 'onlink' : undefined,
  );
}

export function neighbourCommand(verb: Verb, neighbour: Neighbour<Dev>): string {
  const target = words('ip neigh', verb, neighbour.dst);
  const dev = `dev ${deviceName(neighbour.dev)}`;
  if (verb === 'delete') return words(target, dev);
  return words(target, pair('lladdr', neighbour.lladdr), dev, pair('nud', neighbour.state ?? 'permanent'));
}

/** A neighbour as `ip neigh show dev D` lists it. */
export function neighbourText({ dst, lladdr, state = 'permanent' }: Neighbour<Dev>): string {
  return words(dst, pair('lladdr', lladdr), state.toUpperCase());
}

export function fdbCommand(verb: Verb, entry: FdbEntry<Dev>): string {
  const { state = 'permanent', table = 'self' } = entry;
  return words(
    'bridge fdb',
    verb,
    entry.lladdr,
    deviceWords('dev', entry.dev),
    ...remoteWords(entry),
    table,
    verb === 'delete' ? undefined : (fdbStates[state] ?? state),
  );
}

/** An FDB entry as `bridge fdb show dev D` lists it. */
export function fdbText(entry: FdbEntry<Dev>): string {
  const { table = 'self', state = 'permanent' } = entry;
  return words(
    entry.lladdr,
    ...remoteWords(entry),
    table === 'self' ? 'self' : undefined,
    deviceWords('master', entry.master),
    state === 'reachable' ? undefined : (fdbStates[state] ?? state),
  );
}

function remoteWords(entry: FdbEntry<Dev>): Array<string | undefined> {
  return [
    pair('dst', entry.dst),
    pair('vlan', entry.vlan),
    pair('port', entry.port),
    pair('vni', entry.vni),
    deviceWords('via', entry.via),
  ];
}

/** What the bridge's command calls the states that it can give. */
const fdbStates: Readonly<Partial<Record<NeighbourState, string>>> = {
  noarp: 'static',
  reachable: 'dynamic',
};

/** `10.1.2.3/32` as iproute2 prints it: without the length. */
function hostless(dst: Route['dst']): string {
  const bits = addressBits[prefixFamily(dst)];
  return prefixLength(dst) === bits ? dst.slice(0, dst.indexOf('/')) : dst;
}
