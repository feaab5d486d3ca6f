/**
 * The network that the hosts are on:
 *
 *     host1                 switch                 host2
 *     eth0 192.0.2.11 ===== host1  br0  host2 ==== eth0 192.0.2.12
 *                               192.0.2.1
 *
 * Every cable is made inside the namespaces, so that the machine's own never sees a device of it.
 */
import { prefixLength } from '../base/prefix.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { type HostPlan, type LabPlan, switchAddress, underlayPrefix } from './lab-plan.ts';
import { linkNamed, loopback, requestEach, upRequest, withNetlink, withNetnsFd } from './namespaces.ts';

/** @throws NetlinkError, WeftError `netns-missing` */
export async function makeUnderlay(plan: LabPlan): Promise<void> {
  await withNetlink(plan.switch.netns, async socket => {
    await links.add(socket, { name: 'br0', up: true, kind: { kind: 'bridge' } });
    const { index } = await linkNamed(socket, 'br0');
    const address = { dev: index, local: switchAddress, prefixLength: prefixLength(underlayPrefix) };
    await requestEach(socket, [upRequest(loopback), addresses.request('add', address)]);
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
    const address = { dev: eth0.index, local: host.underlay, prefixLength: prefixLength(underlayPrefix) };
    await requestEach(socket, [upRequest(loopback), upRequest(eth0), addresses.request('add', address)]);
  });
}
