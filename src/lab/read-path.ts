/** The way between two containers, read from the kernel of the two hosts. */
import { WeftError } from '../base/errors.ts';
import type { Family, IpAddress } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';
import { addresses } from '../kernel/addresses.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import type { Route } from '../wire/route.ts';
import { bridgeName, type ContainerPlan, type HostPlan, type LabPlan, ofFamily } from './lab-plan.ts';
import { readSubnetFile } from './lab-state.ts';
import { linkNamed, withNetlink } from './namespaces.ts';
import type { Carriage, PacketPath, PathEnd, Tunnel } from './packet-path.ts';
import { type PeerWay, readPeerWays } from './peer-ways.ts';

/** What carries a packet from one host to another's subnet, with devices by name. */
export interface CarryingEntries {
  readonly route: Route<string>;
  /** Only VXLAN needs the two. */
  readonly vtep: { readonly neighbour: Neighbour<string>; readonly fdb: FdbEntry<string> } | undefined;
}

export interface ReadPath {
  readonly path: PacketPath;
  readonly entries: CarryingEntries;
}

/** flannel's port, of which a lab makes no other. */
const udpPort = 8285;

/**
 * From the first container of `from` to that of `to`.
 * @throws WeftError `lab-path` when a part of the way is not there; NetlinkError
 */
export async function readPath(
  plan: LabPlan,
  from: HostPlan,
  to: HostPlan,
  family: Family,
): Promise<ReadPath> {
  const subnet = need(subnetOf(plan, to, family), 'subnet', to.name);
  const way = await withNetlink(from.netns, async socket =>
    need((await readPeerWays(socket, [subnet])).get(subnet), `way to ${subnet}`, from.name),
  );
  const device = way.type === 'direct' ? undefined : way.link.name;
  const [near, far] = await Promise.all([
    readEnd(plan, from, family, device),
    readEnd(plan, to, family, device),
  ]);
  const path = { family, from: near, to: far, carriage: carriageOf(way), ...(await readMtus(plan, from)) };
  return { path, entries: entriesOf(way) };
}

function carriageOf(way: PeerWay): Carriage {
  if (way.type === 'vxlan') return { type: 'vxlan', vni: way.vxlan.vni, port: way.vxlan.port ?? 0 };
  return way.type === 'tun' ? { type: 'udp', port: udpPort } : { type: 'direct' };
}

function entriesOf(way: PeerWay): CarryingEntries {
  const dev = way.link.name;
  return {
    route: { ...way.route, multipath: undefined, dev },
    vtep:
      way.type === 'vxlan'
        ? { neighbour: { ...way.neighbour, dev }, fdb: { ...way.fdb, master: undefined, dev } }
        : undefined,
  };
}

async function readMtus(
  { shape }: LabPlan,
  { name, netns }: HostPlan,
): Promise<Pick<PacketPath, 'underlayMtuBytes' | 'overlayMtuBytes'>> {
  const { mtuBytes } = await withNetlink(netns, socket => linkNamed(socket, 'eth0'));
  const overlay = readSubnetFile(shape.name, name)?.mtuBytes;
  return { underlayMtuBytes: mtuBytes, overlayMtuBytes: need(overlay, 'MTU in subnet.env', name) };
}

async function readEnd(
  plan: LabPlan,
  host: HostPlan,
  family: Family,
  device: string | undefined,
): Promise<PathEnd> {
  const container = need(host.containers[0], 'container', host.name);
  const containerAddress = await readContainerAddress(container, family);
  return withNetlink(host.netns, async socket => ({
    host: host.name,
    container: container.name,
    subnet: need(subnetOf(plan, host, family), 'subnet', host.name),
    containerAddress,
    bridge: bridgeName,
    bridgeAddress: await addressOf(socket, bridgeName, host.name, family),
    tunnel: device === undefined ? undefined : await readTunnel(socket, device, host.name, family),
    underlay: 'eth0',
    underlayAddress: need(ofFamily(host.underlay, family), 'underlay address', host.name),
  }));
}

async function readTunnel(
  socket: NetlinkSocket,
  device: string,
  host: string,
  family: Family,
): Promise<Tunnel> {
  const { mac } = await linkNamed(socket, device);
  return { device, address: await addressOf(socket, device, host, family), mac };
}

function readContainerAddress({ netns, name }: ContainerPlan, family: Family): Promise<IpAddress> {
  return withNetlink(netns, socket => addressOf(socket, 'eth0', name, family));
}

async function addressOf(
  socket: NetlinkSocket,
  device: string,
  place: string,
  family: Family,
): Promise<IpAddress> {
  const { index } = await linkNamed(socket, device);
  const all = await addresses.list(socket, { family, dev: index });
  return need(all.find(({ scope }) => scope === 'global')?.local, `address on ${device}`, place);
}

function subnetOf({ shape }: LabPlan, { name }: HostPlan, family: Family): Prefix | undefined {
  const subnet = readSubnetFile(shape.name, name)?.subnet;
  return family === 4 ? subnet?.ipv4 : subnet?.ipv6;
}

function need<T>(value: T | undefined, what: string, place: string): T {
  if (value === undefined) throw notThere(what, place);
  return value;
}

function notThere(what: string, place: string): WeftError {
  return new WeftError('lab-path', `expected a ${what} on ${place}, found none`);
}
