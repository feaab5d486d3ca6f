/** Out of the routing decision, by the kind of device that the route leads to. */
import { subnetOf } from '../backend/family.ts';
import type { IpAddress } from '../base/ip.ts';
import { prefixContains } from '../base/prefix.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { RouteType } from '../wire/route.ts';
import { meetPeer } from './answer.ts';
import { isTunnel, type NextMachine, nextMachine, ontoLink, throughTunnel } from './carry.ts';
import { passFirewall } from './firewall-hops.ts';
import type { Carriage } from './hop.ts';
import { passToContainer } from './link-hops.ts';
import type { Routed } from './route-hops.ts';
import { checkSource, masquerade } from './source-hops.ts';
import type { Start } from './start.ts';
import { leaseOf, linkOf, ownerOf, type ViewLink } from './view.ts';
import { type Followed, meet, outHere, type Walk } from './walk.ts';

/** By the kind of device that the route leads to. */
export function leave(
  walk: Walk,
  start: Start,
  { route, way }: Routed,
  source: IpAddress | undefined,
): Followed {
  const { view, destination } = walk;
  const inDevice = start.type === 'container' ? start.dev : undefined;
  const end = endHere(walk, route?.type ?? 'unicast', source, inDevice);
  if (end !== undefined) return end;
  if (!filter(walk, source, inDevice, way.dev)) return {};
  const link = linkOf(view, way.dev);
  if (link !== undefined && isTunnel(link))
    return leaveByTunnel(walk, start, link, way.gateway ?? destination, source);
  if (way.gateway === undefined && isHere(walk, link)) {
    passToContainer(walk, outHere, way.dev, destination);
    return { carriage: 'local' };
  }
  return leaveAsIs(walk, start, nextMachine(way.gateway, destination), way.dev, source);
}

/** For routes that lead nowhere else; undefined for all others. */
function endHere(
  walk: Walk,
  type: RouteType,
  source: IpAddress | undefined,
  inDevice: LinkName | undefined,
): Followed | undefined {
  const { view, destination } = walk;
  if (type === 'broadcast' || type === 'multicast') {
    const cause = `${destination} is a ${type} address: no single machine has it`;
    meet(walk, outHere, { kind: 'address', verdict: 'broken', cause });
    return {};
  }
  if (type !== 'local' && type !== 'anycast') return undefined;
  if (filter(walk, source, inDevice, undefined)) {
    const text = `${destination} is this host's own, on ${ownerOf(view, destination)}`;
    meet(walk, outHere, { kind: 'address', verdict: 'passes', text });
  }
  return { carriage: 'local' };
}

function leaveByTunnel(
  walk: Walk,
  start: Start,
  link: ViewLink,
  next: IpAddress,
  source: IpAddress | undefined,
): Followed {
  const inDevice = start.type === 'container' ? start.dev : undefined;
  const carriage = link.kind.kind === 'vxlan' ? 'vxlan' : 'udp';
  const packet = { source, destination: walk.destination };
  const passed =
    checkSource(walk, start, source) &&
    masquerade(walk, source, inDevice, link.name) &&
    throughTunnel(walk, outHere, link, next, packet);
  return passed ? meetPeer(walk, start, carriage, source, link.name) : { carriage };
}

/** To a host on the link, or to the outside. */
function leaveAsIs(
  walk: Walk,
  start: Start,
  machine: NextMachine,
  dev: LinkName,
  source: IpAddress | undefined,
): Followed {
  const { destination, network } = walk;
  const isOverlay = leaseOf(network, destination) !== undefined;
  const carriage: Carriage = !isOverlay
    ? 'outside'
    : walk.wish?.backend.type === 'extension'
      ? 'extension'
      : 'direct';
  const inDevice = start.type === 'container' ? start.dev : undefined;
  const passed =
    masquerade(walk, source, inDevice, dev) &&
    ontoLink(walk, outHere, machine, { dev, inDevice, packet: { source, destination } });
  if (!passed || !isOverlay) return { carriage };
  return meetPeer(walk, start, carriage, source, dev);
}

function filter(
  walk: Walk,
  source: IpAddress | undefined,
  inDevice: LinkName | undefined,
  outDevice: LinkName | undefined,
): boolean {
  if (source === undefined) return true;
  // What a host sends to itself passes no filter that is worth a line.
  if (inDevice === undefined && outDevice === undefined) return true;
  return passFirewall(walk, outHere, { source, destination: walk.destination, inDevice, outDevice });
}

/** A destination on the device's own link: a container, unless it is another machine of the underlay. */
function isHere({ network, family, destination }: Walk, link: ViewLink | undefined): boolean {
  const subnet = network.subnet && subnetOf(network.subnet, family);
  const inOwn = subnet !== undefined && prefixContains(subnet, destination);
  return inOwn || (subnet === undefined && link?.kind.kind === 'bridge');
}
