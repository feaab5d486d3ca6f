/** The way between two containers, read from the kernel of the two hosts. */
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import type { Route } from '../wire/route.ts';
import type { Vxlan } from '../wire/vxlan-link.ts';
import { bridgeName, type ContainerPlan, type HostPlan, type LabPlan } from './lab-plan.ts';
import { readSubnetFile } from './lab-state.ts';
import { linkNamed, withNetlink } from './namespaces.ts';
import type { PacketPath, PathEnd } from './packet-path.ts';
import { readPeerEntries } from './peer-entries.ts';

/** The entries that carry a packet from one host to another's subnet, with devices by name. */
export interface CarryingEntries {
  readonly route: Route<string>;
  readonly neighbour: Neighbour<string>;
  readonly fdb: FdbEntry<string>;
}

export interface ReadPath {
  readonly path: PacketPath;
  readonly entries: CarryingEntries;
}

/**
 * From the first container of `from` to that of `to`.
 * @throws WeftError `lab-path` when a part of the way is not there; NetlinkError
 */
export async function readPath(plan: LabPlan, from: HostPlan, to: HostPlan): Promise<ReadPath> {
  const subnet = need(readSubnetFile(plan.shape.name, to.name)?.subnet?.ipv4, 'subnet', to.name);
  return withNetlink(from.netns, async socket => {
    const found = need((await readPeerEntries(socket, [subnet])).get(subnet), `way to ${subnet}`, from.name);
    const device = need(
      (await links.list(socket)).find(link => link.index === found.dev),
      'VXLAN device',
      from.name,
    );
    const { kind } = device;
    if (kind.kind !== 'vxlan') throw notThere('VXLAN device', from.name);
    const dev = device.name;
    const [near, far] = await Promise.all([readEnd(plan, from, dev), readEnd(plan, to, dev)]);
    const path = { from: near, to: far, ...vxlanOf(kind), ...(await readMtus(socket, device)) };
    const { route, neighbour, fdb } = found;
    return {
      path,
      entries: {
        route: { ...route, multipath: undefined, dev },
        neighbour: { ...neighbour, dev },
        fdb: { ...fdb, master: undefined, dev },
      },
    };
  });
}

function vxlanOf({ vni, port }: Vxlan): Pick<PacketPath, 'vni' | 'port'> {
  return { vni, port: port ?? 0 };
}

async function readMtus(
  socket: NetlinkSocket,
  vtep: Link,
): Promise<Pick<PacketPath, 'underlayMtuBytes' | 'overlayMtuBytes'>> {
  const { mtuBytes } = await linkNamed(socket, 'eth0');
  return { underlayMtuBytes: mtuBytes, overlayMtuBytes: vtep.mtuBytes };
}

async function readEnd(plan: LabPlan, host: HostPlan, vtep: string): Promise<PathEnd> {
  const container = need(host.containers[0], 'container', host.name);
  const subnet = need(readSubnetFile(plan.shape.name, host.name)?.subnet?.ipv4, 'subnet', host.name);
  const containerAddress = await readContainerAddress(container);
  return withNetlink(host.netns, async socket => ({
    host: host.name,
    container: container.name,
    subnet,
    containerAddress,
    bridge: bridgeName,
    bridgeAddress: await addressOf(socket, bridgeName, host.name),
    vtep,
    vtepAddress: await addressOf(socket, vtep, host.name),
    vtepMac: need((await linkNamed(socket, vtep)).mac, `MAC of ${vtep}`, host.name),
    underlay: 'eth0',
    underlayAddress: await addressOf(socket, 'eth0', host.name),
  }));
}

function readContainerAddress({ netns, name }: ContainerPlan): Promise<IpAddress> {
  return withNetlink(netns, socket => addressOf(socket, 'eth0', name));
}

async function addressOf(socket: NetlinkSocket, device: string, place: string): Promise<IpAddress> {
  const { index } = await linkNamed(socket, device);
  const [first] = await addresses.list(socket, { family: 4, dev: index });
  return need(first?.local, `address on ${device}`, place);
}

function need<T>(value: T | undefined, what: string, place: string): T {
  if (value === undefined) throw notThere(what, place);
  return value;
}

function notThere(what: string, place: string): WeftError {
  return new WeftError('lab-path', `expected a ${what} on ${place}, found none`);
}
