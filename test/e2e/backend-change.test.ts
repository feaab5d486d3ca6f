/** The network's backend is changed under running daemons: host by host, and no packet is lost on the way. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster, usualConfig } from '../support/weft-cluster.ts';
import type { Container, WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

const configOf = (backend: object): string =>
  JSON.stringify({ ...(JSON.parse(usualConfig) as object), Backend: backend });

const vxlan = { Type: 'vxlan' };
const hostGw = { Type: 'host-gw' };
const udp = { Type: 'udp' };

interface Net {
  readonly cluster: Cluster;
  readonly hosts: readonly WeftHost[];
  readonly daemons: readonly Daemon[];
  readonly containers: readonly Container[];
}

async function threeHosts(t: Parameters<typeof testScope>[0], backend: object): Promise<Net> {
  const cluster = await createCluster(testScope(t), underlay, { config: configOf(backend) });
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const daemons = await Promise.all(hosts.map(host => host.join()));
  const containers = await Promise.all(hosts.map(host => host.addContainer()));
  const net = { cluster, hosts, daemons, containers };
  await eventuallyConnected(net);
  return net;
}

async function eventuallyConnected({ containers }: Net): Promise<void> {
  for (const from of containers) {
    for (const to of containers.filter(other => other !== from)) {
      await eventually(`${to.address} answers`, async () => {
        await from.netns.run(`ping -c1 -W1 ${to.address}`);
        return true;
      });
    }
  }
}

/** The types in the leases, one word each, when they are all the same. */
async function publishedTypes({ cluster }: Net): Promise<string> {
  const leases = [...(await cluster.leases()).values()];
  return [...new Set(leases.map(({ value }) => /"BackendType":"([^"]*)"/.exec(value)?.[1] ?? 'udp'))].join();
}

/** What is left of a backend on a host: its devices, and routes to containers by the underlay. */
async function traces(host: WeftHost): Promise<string> {
  const links = await host.netns.run('ip -o link show');
  const routes = await host.netns.run('ip route show');
  return [
    /flannel\.1:/.test(links) ? 'vxlan' : '',
    /flannel\.7:/.test(links) ? 'vxlan 7' : '',
    /flannel0:/.test(links) ? 'udp' : '',
    /^10\.2\.\d+\.0\/24 via \S+ dev eth0/m.test(routes) ? 'host-gw' : '',
  ]
    .filter(Boolean)
    .join();
}

const changes: ReadonlyArray<readonly [string, object, object, string, string]> = [
  ['vxlan to host-gw', vxlan, hostGw, 'host-gw', 'host-gw'],
  ['host-gw to vxlan', hostGw, vxlan, 'vxlan', 'vxlan'],
  ['vxlan to udp', vxlan, udp, 'udp', 'udp'],
  ['udp to vxlan', udp, vxlan, 'vxlan', 'vxlan'],
  ['one VNI to another', vxlan, { ...vxlan, VNI: 7 }, 'vxlan', 'vxlan 7'],
  [
    'vxlan to DirectRouting and so to the underlay',
    vxlan,
    { ...vxlan, DirectRouting: true },
    'vxlan',
    'vxlan,host-gw',
  ],
  ['DirectRouting to tunnels', { ...vxlan, DirectRouting: true }, vxlan, 'vxlan', 'vxlan'],
];

for (const [title, before, next, published, left] of changes) {
  test(`three hosts change from ${title}: not one packet is lost, and nothing of before is left`, async t => {
    const net = await threeHosts(t, before);
    const [a, b, c] = net.containers;
    assert.ok(a && b && c);
    const pings = await Promise.all([startPing(a.netns, b.address), startPing(c.netns, a.address)]);
    await net.cluster.put('config', configOf(next));
    await eventually(`all publish ${published}`, async () => (await publishedTypes(net)) === published);
    for (const host of net.hosts) {
      await eventually(`${host.name} has ${left} alone`, async () => (await traces(host)) === left);
    }
    await Promise.all(pings.map(assertNothingLost));
    await eventuallyConnected(net);
  });
}

test('while a host has not changed yet the others reach it by what it publishes, and it reaches them', async t => {
  const net = await threeHosts(t, vxlan);
  const [a, b, c] = net.containers;
  const [hostA, , hostC] = net.hosts;
  const [, , weftC] = net.daemons;
  assert.ok(a && b && c && hostA && hostC && weftC);
  // c's daemon is stopped with everything in place, as a flanneld is that reads its config only when it starts.
  const { subnet } = await hostC.subnetEnv();
  weftC.signal('SIGTERM');
  await eventually('c has stopped', () => weftC.exit);
  const pings = await Promise.all([startPing(a.netns, c.address), startPing(c.netns, b.address)]);
  await net.cluster.put('config', configOf(hostGw));
  await eventually('a and b have changed', async () =>
    /^(host-gw,vxlan|vxlan,host-gw)$/.test(await publishedTypes(net)),
  );
  await Promise.all(pings.map(ping => ping.more(500)));
  assert.equal(await traces(hostA), 'vxlan,host-gw', 'the device stays for the one that still uses it');
  await hostC.join();
  await eventually('c has changed', async () => (await publishedTypes(net)) === 'host-gw');
  for (const host of net.hosts) {
    await eventually(`${host.name} has routes alone`, async () => (await traces(host)) === 'host-gw');
  }
  await Promise.all(pings.map(assertNothingLost));
  assert.equal((await hostC.subnetEnv()).subnet, subnet, 'c has kept its subnet');
});
