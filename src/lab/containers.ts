/**
 * A host's containers, as the CNI plugin or Docker would attach them:
 *
 *     host1/c1              host1
 *     eth0 10.2.14.2 ------ veth-c1  cni0 10.2.14.1/24  (route) flannel.1
 */
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { everything, type Prefix, prefixLength } from '../base/prefix.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import { routes } from '../kernel/routes.ts';
import type { SubnetEnv } from '../lease/subnet-env.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { bridgeName, type ContainerPlan, containerAddress, type HostPlan } from './lab-plan.ts';
import { linkNamed, loopback, requestEach, upRequest, withNetlink, withNetnsFd } from './namespaces.ts';

/** What subnet.env gives to the containers of a host. */
export interface ContainerNetwork {
  readonly subnet: Prefix;
  /** The bridge's address: the subnet's first. */
  readonly gateway: IpAddress;
  readonly mtuBytes: number;
}

/** @throws WeftError `lab-subnet-env` when a value is missing */
export function containerNetwork(env: SubnetEnv, host: string): ContainerNetwork {
  const { gateway, mtuBytes } = env;
  const subnet = env.subnet?.ipv4;
  if (subnet !== undefined && gateway !== undefined && mtuBytes !== undefined)
    return { subnet, gateway, mtuBytes };
  throw new WeftError('lab-subnet-env', `expected FLANNEL_SUBNET and FLANNEL_MTU in subnet.env of ${host}`);
}

/** Makes the bridge and every container of the host. @throws NetlinkError, WeftError `netns-missing` */
export async function makeContainers(host: HostPlan, network: ContainerNetwork): Promise<void> {
  const { subnet, gateway, mtuBytes } = network;
  await withNetlink(host.netns, async socket => {
    await links.add(socket, { name: bridgeName, mtuBytes, up: true, kind: { kind: 'bridge' } });
    const { index } = await linkNamed(socket, bridgeName);
    await addresses.add(socket, { dev: index, local: gateway, prefixLength: prefixLength(subnet) });
    for (const container of host.containers) await plugIn(socket, index, container, mtuBytes);
  });
  await Promise.all(host.containers.map(container => setUpContainer(container, network)));
}

/** `ip link add veth-c1 mtu 1450 master cni0 up type veth peer name eth0 mtu 1450 netns weft-lab-host1-c1` */
async function plugIn(
  socket: NetlinkSocket,
  bridge: number,
  { netns, port }: ContainerPlan,
  mtuBytes: number,
): Promise<void> {
  await withNetnsFd(netns, async netnsFd => {
    const peer = { name: 'eth0', mtuBytes, netnsFd };
    await links.add(socket, { name: port, mtuBytes, master: bridge, up: true, kind: { kind: 'veth', peer } });
  });
}

async function setUpContainer(
  container: ContainerPlan,
  { subnet, gateway }: ContainerNetwork,
): Promise<void> {
  await withNetlink(container.netns, async socket => {
    const eth0 = await linkNamed(socket, 'eth0');
    const local = containerAddress(subnet, container.number);
    await requestEach(socket, [
      upRequest(loopback),
      upRequest(eth0),
      addresses.request('add', { dev: eth0.index, local, prefixLength: prefixLength(subnet) }),
      routes.request('add', { dst: everything[4], gateway, dev: eth0.index }),
    ]);
  });
}
