/**
 * Each object as the iproute2 command that would do the same: for errors, logs, `weft plan` and people. Devices
 * known only by number are written `if7`, which iproute2 understands.
 */
import { addressBits } from '../base/ip.ts';
import { everything, prefixFamily, prefixLength } from '../base/prefix.ts';
import type { Address } from './address.ts';
import type { LinkSpec } from './link.ts';
import type { FdbEntry, Neighbour } from './neighbour.ts';
import type { NextHop } from './next-hop.ts';
import type { Route } from './route.ts';
import type { Dev, Verb } from './rtnetlink.ts';
import type { Vxlan } from './vxlan-link.ts';

export function linkCommand(verb: Verb, link: LinkSpec<Dev>): string {
  if (verb === 'delete') return `ip link delete ${link.name}`;
  if (verb !== 'add') return words('ip link set', link.name, ...linkSettings(link));
  return words('ip link add', link.name, ...linkSettings({ ...link, up: undefined }), ...linkKind(link));
}

export function addressCommand(
  verb: Verb,
  { dev, local, prefixLength: length, peer, scope }: Address<Dev>,
): string {
  const ends = peer === undefined ? `${local}/${length}` : `${local} peer ${peer}/${length}`;
  return words(
    'ip address',
    verb,
    ends,
    'dev',
    deviceName(dev),
    pair('scope', scope === 'global' ? undefined : scope),
  );
}

export function routeCommand(verb: Verb, route: Route<Dev>): string {
  return words(prefixFamily(route.dst) === 6 ? 'ip -6 route' : 'ip route', verb, routeText(route));
}

/** A route as `ip route` lists it, save for the details that it leaves out itself. */
export function routeText(route: Route<Dev>): string {
  const { dst, table = 254, protocol = 'boot', type = 'unicast' } = route;
  return words(
    type === 'unicast' ? undefined : String(type),
    dst === everything[4] || dst === everything[6] ? 'default' : hostless(dst),
    pair('nhid', route.nextHopId),
    pair('via', route.gateway),
    pair('dev', route.dev === undefined ? undefined : deviceName(route.dev)),
    pair('table', table === 254 ? undefined : table),
    pair('proto', protocol === 'boot' ? undefined : protocol),
    pair('src', route.preferredSource),
    pair('metric', route.metric === 0 ? undefined : route.metric),
    pair('mtu', route.mtuBytes),
    route.onlink === true ? 'onlink' : undefined,
  );
}

export function nextHopCommand(verb: Verb, hop: NextHop<Dev>): string {
  if (verb === 'delete') return `ip nexthop delete id ${hop.id}`;
  return words(
    'ip nexthop',
    verb,
    pair('id', hop.id),
    hop.blackhole === true ? 'blackhole' : undefined,
    pair('via', hop.gateway),
    pair('dev', hop.dev === undefined ? undefined : deviceName(hop.dev)),
    pair('proto', hop.protocol === 'boot' ? undefined : hop.protocol),
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
    pair('dev', deviceName(entry.dev)),
    pair('dst', entry.dst),
    pair('port', entry.port),
    pair('vni', entry.vni),
    pair('vlan', entry.vlan),
    table,
    verb === 'delete' ? undefined : state,
  );
}

/** An FDB entry as `bridge fdb show dev D` lists it. */
export function fdbText({ lladdr, dst, table = 'self', state = 'permanent' }: FdbEntry<Dev>): string {
  return words(lladdr, pair('dst', dst), table, state);
}

export function deviceName(dev: Dev): string {
  return typeof dev === 'number' ? `if${dev}` : dev;
}

function linkSettings(link: LinkSpec<Dev>): Array<string | undefined> {
  return [
    pair('address', link.mac),
    pair('mtu', link.mtuBytes),
    pair('txqueuelen', link.txQueueLength),
    pair('master', link.master === undefined ? undefined : deviceName(link.master)),
    link.up === undefined ? undefined : link.up ? 'up' : 'down',
  ];
}

function linkKind({ kind }: LinkSpec<Dev>): Array<string | undefined> {
  if (kind === undefined) return [];
  if (kind.kind === 'veth') return ['type veth', kind.peer && `peer name ${kind.peer.name}`];
  if (kind.kind === 'vxlan') return ['type vxlan', ...vxlanSettings(kind)];
  return [`type ${kind.kind === 'other' ? kind.name : kind.kind}`];
}

function vxlanSettings(vxlan: Vxlan<Dev>): Array<string | undefined> {
  return [
    pair('id', vxlan.vni),
    pair('dev', vxlan.dev === undefined ? undefined : deviceName(vxlan.dev)),
    pair('local', vxlan.local),
    pair('remote', vxlan.group),
    pair('dstport', vxlan.port),
    vxlan.learning === undefined ? undefined : vxlan.learning ? 'learning' : 'nolearning',
    vxlan.gbp === true ? 'gbp' : undefined,
  ];
}

/** `10.1.2.3/32` as iproute2 prints it: without the length. */
function hostless(dst: Route['dst']): string {
  const bits = addressBits[prefixFamily(dst)];
  return prefixLength(dst) === bits ? dst.slice(0, dst.indexOf('/')) : dst;
}

function pair(name: string, value: string | number | undefined): string | undefined {
  return value === undefined ? undefined : `${name} ${value}`;
}

function words(...parts: ReadonlyArray<string | undefined>): string {
  return parts.filter(part => part !== undefined && part !== '').join(' ');
}
