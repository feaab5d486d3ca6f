/**
 * The network that the hosts are on:
 *
 *     host1                 switch                 host2
 *     eth0 192.0.2.11 ===== host1  br0  host2 ==== eth0 192.0.2.12
 *                               192.0.2.1
 *
 * With IPv6 each has such an address as 2001:db8::11 as well, or instead.
 *
 * Every cable is made inside the namespaces, so that the machine's own never sees a device of it.
 */
import { familyOf, type IpAddress } from '../base/ip.ts';
import { prefixLength } from '../base/prefix.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { NetlinkRequest } from '../wire/netlink.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import { type HostPlan, type LabPlan, switchAddresses, underlayPrefix } from './lab-plan.ts';
import { linkNamed, loopback, requestEach, upRequest, withNetlink, withNetnsFd } from './namespaces.ts';

/** @throws NetlinkError, WeftError `netns-missing` */
export async function makeUnderlay(plan: LabPlan): Promise<void> {
  await withNetlink(plan.switch.netns, async socket => {
    await links.add(socket, { name: 'br0', up: true, kind: { kind: 'bridge' } });
    const { index } = await linkNamed(socket, 'br0');
    await requestEach(socket, [
      upRequest(loopback),
      ...switchAddresses(plan.shape).map(local => addressRequest(index, local)),
    ]);
    for (const host of plan.hosts) await plugIn(socket, index, host);
  });
  await Promise.all(plan.hosts.map(setUpHost));
}

/** `ip link add host1 master br0 up type veth peer name eth0 netns weft-lab-host1` */
async function plugIn(socket: NetlinkSocket, bridge: number, host: HostPlan): Promise<void> {
  await withNetnsFd(host.netns, async netnsFd => {
    const peer = { name: 'eth0', netnsFd };
    await links.add(socket, { name: host.name, master: bridge, up: true, kind: { kind: 'veth', peer } });
  });
}

async function setUpHost(host: HostPlan): Promise<void> {
  await withNetlink(host.netns, async socket => {
    const eth0 = await linkNamed(socket, 'eth0');
    await requestEach(socket, [
      upRequest(loopback),
      upRequest(eth0),
      ...host.underlay.map(local => addressRequest(eth0.index, local)),
    ]);
  });
}

function addressRequest(dev: IfIndex, local: IpAddress): NetlinkRequest {
  return addresses.request('add', {
    dev,
    local,
    prefixLength: prefixLength(underlayPrefix[familyOf(local)]),
  });
}
