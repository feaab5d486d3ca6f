/**
 * A host's containers, as the CNI plugin or Docker would attach them:
 *
 *     host1/c1              host1
 *     eth0 10.2.14.2 ------ veth-c1  cni0 10.2.14.1/24  (route) flannel.1 or eth0
 */
import { WeftError } from '../base/errors.ts';
import type { Family, IpAddress } from '../base/ip.ts';
import { everything, type Prefix, prefixFamily, prefixLength } from '../base/prefix.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import { routes } from '../kernel/routes.ts';
import type { SubnetEnv } from '../lease/subnet-env.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { bridgeName, type ContainerPlan, containerAddress, type HostPlan } from './lab-plan.ts';
import { linkNamed, loopback, requestEach, upRequest, withNetlink, withNetnsFd } from './namespaces.ts';

/** What subnet.env gives to the containers of a host. */
export interface ContainerNetwork {
  /** One of each family of the lab, IPv4 first. */
  readonly subnets: readonly ContainerSubnet[];
  readonly mtuBytes: number;
}

export interface ContainerSubnet {
  readonly subnet: Prefix;
  /** The bridge's address: the subnet's first. */
  readonly gateway: IpAddress;
}

/** @throws WeftError `lab-subnet-env` when a value is missing */
export function containerNetwork(
  env: SubnetEnv,
  host: string,
  families: readonly Family[],
): ContainerNetwork {
  const { mtuBytes } = env;
  const need = <T>(value: T | undefined, name: string): T => {
    if (value !== undefined) return value;
    throw new WeftError('lab-subnet-env', `expected ${name} in subnet.env of ${host}`);
  };
  const subnets = families.map(family =>
    family === 4
      ? {
          subnet: need(env.subnet?.ipv4, 'FLANNEL_SUBNET'),
          gateway: need(env.gateway, 'FLANNEL_SUBNET'),
        }
      : {
          subnet: need(env.subnet?.ipv6, 'FLANNEL_IPV6_SUBNET'),
          gateway: need(env.ipv6Gateway, 'FLANNEL_IPV6_SUBNET'),
        },
  );
  return { subnets, mtuBytes: need(mtuBytes, 'FLANNEL_MTU') };
}

/** Makes the bridge and every container of the host. @throws NetlinkError, WeftError `netns-missing` */
export async function makeContainers(host: HostPlan, network: ContainerNetwork): Promise<void> {
  const { subnets, mtuBytes } = network;
  await withNetlink(host.netns, async socket => {
    await links.add(socket, { name: bridgeName, mtuBytes, up: true, kind: { kind: 'bridge' } });
    const { index } = await linkNamed(socket, bridgeName);
    for (const { subnet, gateway } of subnets)
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

async function setUpContainer(container: ContainerPlan, { subnets }: ContainerNetwork): Promise<void> {
  await withNetlink(container.netns, async socket => {
    const eth0 = await linkNamed(socket, 'eth0');
    const requests = subnets.flatMap(({ subnet, gateway }) => {
      const local = containerAddress(subnet, container.number);
      return [
        addresses.request('add', { dev: eth0.index, local, prefixLength: prefixLength(subnet) }),
        routes.request('add', { dst: everything[prefixFamily(subnet)], gateway, dev: eth0.index }),
      ];
    });
    await requestEach(socket, [upRequest(loopback), upRequest(eth0), ...requests]);
  });
}
