/**
 * The half of a packet's way on the host that it arrives at, as that host's own kernel has it, and the answer as far as the
 * underlay. Asked for by the host that the packet comes from; pure, as trace-flow.ts.
 *
 *     underlay ─ firewall ─ VTEP or TUN ─ forwarding ─ rule ─ route ─ firewall ─ bridge ─ port ─ container ─┐ answer
 *     underlay ─ FDB entry ─ neighbour ─ VTEP or TUN ──── firewall ─ route ─ rule ─ forwarding ─────────────┘
 */
import { addressOf, subnetOf } from '../backend/family.ts';
import { familyOf, type IpAddress, ipAdd } from '../base/ip.ts';
import { prefixBase, prefixContains, prefixLength } from '../base/prefix.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { Flow } from '../state/lookup.ts';
import { addressCommand, linkCommand } from '../wire/iproute2.ts';
import type { Route } from '../wire/route.ts';
import { isTunnel, nextMachine, ontoLink, throughTunnel } from './carry.ts';
import { linkEntry } from './entry-text.ts';
import { passFirewall } from './firewall-hops.ts';
import { command, type Hop, type Remedy } from './hop.ts';
import { meetLease } from './lease-hop.ts';
import { passDevice, passToContainer } from './link-hops.ts';
import { linkRouteOf } from './link-route.ts';
import { routePacket } from './route-hops.ts';
import { deviceBehind, passForwarding } from './start.ts';
import { passTun } from './udp-hops.ts';
import { isOwnAddress, type KernelView, linkOf, type NetworkView, ownerOf, type ViewLink } from './view.ts';
import { ofVtep, passVtep, type VxlanLink } from './vxlan-hops.ts';
import { backThere, meet, outer, outThere, type Walk } from './walk.ts';
import { externalInterface, plannedCommands, tunnelOf, wishFor } from './wish.ts';

export interface Arrival {
  /** Where the packet comes from: an address of the other host, or of a container there. */
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

export interface Arrived {
  readonly hops: readonly Hop[];
  /** What the kernel should be asked, as by {@link traceFlow}. */
  readonly asked: ReadonlyMap<string, Flow>;
}

export function traceArrival(view: KernelView, network: NetworkView, arrival: Arrival): Arrived {
  const { source, destination } = arrival;
  const hops: Hop[] = [];
  const asked = new Map<string, Flow>();
  const wish = wishFor(view, network, source);
  const shared = { view, network, wish, family: familyOf(destination), hops, asked };
  const arriving: Walk = { ...shared, destination };
  const inDevice = enter(arriving);
  const end = inDevice === undefined ? undefined : deliver(arriving, source, inDevice);
  if (end !== undefined) answer({ ...shared, destination: source }, destination, end.behind);
  return { hops, asked };
}

/** In from the underlay. Gives the device that the packet itself comes in by. */
function enter(walk: Walk): LinkName | undefined {
  const { view, wish, network, family } = walk;
  const external =
    wish?.host.external ?? (network.own === undefined ? undefined : externalInterface(view, network.own));
  if (external === undefined) return undefined;
  const tunnel = wish === undefined ? undefined : tunnelTo(walk);
  if (tunnel === undefined || wish === undefined)
    return passDevice(walk, outThere, external.name) ? external.name : undefined;
  const link = linkOf(view, tunnel);
  if (link === undefined) {
    const cause = `there is no device ${tunnel}: nothing takes the packet out of the tunnel`;
    const remedy = command('', ...plannedCommands(wish, view, ofVtep));
    meet(walk, outThere, { kind: 'device', verdict: 'broken', cause, remedy });
    return undefined;
  }
  const own = addressOf(external, family);
  if (!arriveByUnderlay(walk, link, external.name, own)) return undefined;
  const passed =
    link.kind.kind === 'vxlan' ? passVtep(walk, outThere, link as VxlanLink) : passTun(walk, outThere, link);
  return passed ? tunnel : undefined;
}

/** Packets come by the device by which the answers shall go: both ends plan alike. */
function tunnelTo({ view, wish, family }: Walk): LinkName | undefined {
  if (wish === undefined) return undefined;
  const planned = wish.route?.dev;
  const tunnel = tunnelOf(wish, family);
  if (planned === undefined || planned === tunnel) return tunnel;
  const link = linkOf(view, planned);
  return link !== undefined && isTunnel(link) ? planned : undefined;
}

function arriveByUnderlay(
  walk: Walk,
  tunnel: ViewLink,
  external: LinkName,
  own: IpAddress | undefined,
): boolean {
  const leg = outer(outThere);
  if (tunnel.parentNetnsId !== undefined) {
    const text = `${tunnel.name} receives in another network namespace: what is there is not looked at`;
    return meet(walk, leg, { kind: 'host', verdict: 'unknown', text });
  }
  if (!passDevice(walk, leg, external)) return false;
  const peer = walk.wish?.peer;
  if (peer === undefined || own === undefined || familyOf(peer) !== walk.family) return true;
  return passFirewall(walk, leg, {
    source: peer,
    destination: own,
    inDevice: external,
    outDevice: undefined,
    udpPort: walk.wish?.backend.udpPorts[0],
  });
}

/** To the container, or to this host itself. Gives the device behind which the container is, if it is one. */
function deliver(
  walk: Walk,
  source: IpAddress,
  inDevice: LinkName,
): { readonly behind: LinkName | undefined } | undefined {
  const { view, family, destination } = walk;
  const isOwn = isOwnAddress(view, destination);
  const expected = isOwn ? undefined : deviceBehind(view, destination);
  if (!isOwn && !passForwarding(walk, outThere, inDevice)) return undefined;
  const link = linkOf(view, expected);
  // Its routes are gone with it: what takes the packet instead explains nothing.
  if (link?.up === false) {
    passDevice(walk, outThere, link.name, link.kind.kind === 'bridge' ? 'bridge' : 'device');
    return undefined;
  }
  const flow: Flow = { family, destination, source, iif: inDevice, oif: undefined };
  const routed = routePacket(walk, outThere, flow, routeOfLink(view, destination, expected));
  if (routed === undefined) return undefined;
  const { dev, gateway } = routed.way;
  const question = { source, destination, inDevice };
  if (isOwn) {
    if (!passFirewall(walk, outThere, { ...question, outDevice: undefined })) return undefined;
    const text = `${destination}, this host's own on ${ownerOf(view, destination)}`;
    meet(walk, outThere, { kind: 'address', verdict: 'passes', text });
    return { behind: undefined };
  }
  if (gateway !== undefined || dev === inDevice) return turnedAway(walk, dev);
  if (!passFirewall(walk, outThere, { ...question, outDevice: dev })) return undefined;
  return passToContainer(walk, outThere, dev, destination) ? { behind: dev } : undefined;
}

/** The route that the bridge's address should have brought; undefined where another route may do as well. */
function routeOfLink(
  view: KernelView,
  destination: IpAddress,
  dev: LinkName | undefined,
): Route<LinkName> | undefined {
  return dev === undefined ? undefined : linkRouteOf(view, destination, dev);
}

/** To one of our addresses, and nothing behind which it could be. */
function turnedAway({ view, ...walk }: Walk, dev: LinkName): undefined {
  const [bridge, another] = view.links.filter(({ kind, up }) => kind.kind === 'bridge' && !up);
  const down = another === undefined ? bridge : undefined;
  const has = `no device of this host has an address of the subnet of ${walk.destination}`;
  const cause = `${down === undefined ? has : `${down.name} is down, and ${has}`}: the packet leaves again by ${dev}`;
  meet({ view, ...walk }, outThere, {
    kind: 'bridge',
    verdict: 'broken',
    entries: down === undefined ? [] : [linkEntry(down)],
    cause,
    remedy: bridgeRemedy(walk, down?.name),
  });
}

/** A device that is set down loses its addresses of IPv6. Which one it had, subnet.env says, and the rule is flannel's. */
function bridgeRemedy({ network, family }: Omit<Walk, 'view'>, down: LinkName | undefined): Remedy {
  const maker = 'what makes the bridge of the containers: Docker, or the CNI plugin';
  const subnet = network.subnet && subnetOf(network.subnet, family);
  if (down === undefined || subnet === undefined) return command(`start ${maker}`);
  const local = ipAdd(prefixBase(subnet), 1n);
  return command(
    `or restart ${maker}`,
    linkCommand('change', { name: down, up: true }),
    addressCommand('add', { dev: down, local, prefixLength: prefixLength(subnet) }),
  );
}

/** @param from the address that answers, on the walk back to where the packet came from */
function answer(walk: Walk, from: IpAddress, behind: LinkName | undefined): void {
  const { view, network, family, destination, wish } = walk;
  const isInside = network.networks.some(one => prefixContains(one, destination));
  if (isInside && !meetLease(walk, backThere)) return;
  if (behind !== undefined && !passForwarding(walk, backThere, behind)) return;
  const flow: Flow = { family, destination, source: from, iif: behind, oif: undefined };
  const routed = routePacket(walk, backThere, flow, wish?.route);
  if (routed === undefined) return;
  const { dev, gateway } = routed.way;
  const packet = { source: from, destination };
  if (!passFirewall(walk, backThere, { ...packet, inDevice: behind, outDevice: dev })) return;
  const link = linkOf(view, dev);
  if (link !== undefined && isTunnel(link))
    throughTunnel(walk, backThere, link, gateway ?? destination, packet);
  else
    ontoLink(walk, backThere, nextMachine(gateway, destination), {
      dev,
      inDevice: behind,
      packet,
    });
}
