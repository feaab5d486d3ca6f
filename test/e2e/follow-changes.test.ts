/** The underlay and the network config change under a running daemon: it follows, and its subnet stays. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import {
  type Cluster,
  createCluster,
  eventuallyMeshed,
  joinAll,
  leaseOf,
  usualConfig,
} from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, type WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

interface Pair {
  readonly cluster: Cluster;
  readonly a: WeftHost;
  readonly b: WeftHost;
  readonly weft: Daemon;
}

async function pair(t: Parameters<typeof testScope>[0]): Promise<Pair> {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  assert.ok(weft);
  return { cluster, a, b, weft };
}

/** Both hosts lead to each other by what the leases say now, and packets pass. */
async function assertConnected({ cluster, a, b }: Pair): Promise<void> {
  await eventuallyMeshed(cluster, [a, b]);
  const base = (await b.subnetEnv()).subnet.replace('/24', '');
  await eventually('packets pass', async () => {
    await a.run(`ping -c1 -W1 ${base}`);
    return true;
  });
}

test('the external interface gets another address: published in place, the subnet stays, peers follow', async t => {
  const network = await pair(t);
  const { a, weft } = network;
  const { subnet } = await a.subnetEnv();
  const fresh = a.address.replace(/\.(\d+)$/, (_, octet) => `.${Number(octet) + 100}`);
  await a.netns.ipBatch([`address delete ${a.address}/24 dev eth0`, `address add ${fresh}/24 dev eth0`]);
  await weft.waitForOutput(/the underlay has changed: following it/);
  await eventually('the lease is published with it', async () => {
    const lease = (await network.cluster.leases()).get(subnet);
    return lease?.publicIp === fresh;
  });
  await eventually('the peer sends there', async () =>
    (await network.b.overlay()).fdb.join().includes(`dst ${fresh} `),
  );
  assert.match(await a.netns.run('ip -d link show flannel.1'), new RegExp(`local ${fresh} `));
  assert.equal((await a.subnetEnv()).subnet, subnet);
  const base = (await network.b.subnetEnv()).subnet.replace('/24', '');
  await eventually('packets pass', async () => {
    await a.run(`ping -c1 -W1 ${base}`);
    return true;
  });
  assert.equal(weft.exit, undefined);
});

test('the external interface is renamed: the device stays, and no packet is lost', async t => {
  const network = await pair(t);
  const { a, b, weft } = network;
  const before = await a.netns.run('ip -o link show flannel.1');
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const ping = await startPing(one.netns, other.address);
  await a.netns.ipBatch(['link set eth0 name lan0']);
  await weft.waitForOutput(/the underlay has changed: following it.* interface=lan0/);
  await ping.more(20);
  const { lost } = await ping.stop();
  assert.deepEqual(lost, []);
  assert.equal(await a.netns.run('ip -o link show flannel.1'), before);
});

test('the external interface goes, and comes back: everything stays, then everything is there again', async t => {
  const network = await pair(t);
  const { a, weft } = network;
  const { subnet } = await a.subnetEnv();
  await a.netns.run('ip link delete eth0');
  await weft.waitForOutput(/the way to the underlay is gone: everything stays as it is/);
  await underlay.bridge.ipBatch([
    `link add ${a.port} type veth peer name eth0 netns ${a.netns.name}`,
    `link set ${a.port} master br0 up`,
  ]);
  await a.netns.ipBatch([`address add ${a.address}/24 dev eth0`, 'link set eth0 up']);
  await assertConnected(network);
  assert.equal((await a.subnetEnv()).subnet, subnet);
  assert.equal(weft.exit, undefined);
});

test("the external interface's MTU changes: the device and subnet.env follow, and it is said", async t => {
  const network = await pair(t);
  const { a, weft } = network;
  await a.netns.run('ip link set eth0 mtu 1400');
  await weft.waitForOutput(/subnet\.env has changed: restart Docker/);
  assert.match((await a.subnetEnv()).text, /^FLANNEL_MTU=1350$/m);
  await eventually('the device follows', async () =>
    (await a.netns.run('ip link show flannel.1')).includes(' mtu 1350 '),
  );
  await assertConnected(network);
});

test('a new VNI in the config is followed live by all hosts, without leaving the old device behind', async t => {
  const network = await pair(t);
  const { cluster, a, b, weft } = network;
  const { subnet } = await a.subnetEnv();
  const mac = (await leaseOf(cluster, a)).mac;
  await cluster.put('config', usualConfig.replace('"vxlan"', '"vxlan","VNI":7'));
  await weft.waitForOutput(/the network config has changed: following it/);
  for (const host of [a, b]) {
    await eventually(`${host.name} has flannel.7 alone`, async () => {
      const links = await host.netns.run('ip -o link show type vxlan');
      return links.includes('flannel.7') && !links.includes('flannel.1');
    });
  }
  const base = (await b.subnetEnv()).subnet.replace('/24', '');
  await eventually('packets pass over it', async () => {
    await a.run(`ping -c1 -W1 ${base}`);
    return true;
  });
  assert.equal((await a.subnetEnv()).subnet, subnet);
  assert.match(mac, /^[0-9a-f:]{17}$/);
});

const refused: ReadonlyArray<readonly [string, string, RegExp]> = [
  [
    'another network',
    usualConfig.replaceAll('10.2.', '10.3.'),
    /our subnet 10\.2\.\d+\.0\/24, whose addresses containers hold/,
  ],
  [
    'a backend whose commands run at the start',
    usualConfig.replace('vxlan', 'extension'),
    /extension, whose commands/,
  ],
  ['a backend that we have not', usualConfig.replace('vxlan', 'wireguard'), /wireguard, which flannel has/],
  ['an invalid one', '{"Network":"10.2.0.0/16","SubnetLen":31}', /SubnetLen/],
  ['no JSON at all', 'nonsense', /nonsense|JSON/],
];
test('a config that cannot be taken over live is refused with the reason, and nothing changes', async t => {
  const network = await pair(t);
  const { cluster, a, weft } = network;
  const before = [await a.overlay(), await a.netns.run('ip -d link show flannel.1')];
  for (const [title, text, reason] of refused) {
    const seen = weft.output.length;
    await cluster.put('config', text);
    await weft.waitFor(`refusal of ${title}`, () => {
      const said = weft.output.slice(seen);
      return said.includes('the network config stays as it was') && reason.test(said);
    });
  }
  await cluster.delete('config');
  await weft.waitForOutput(/the key config was removed/);
  assert.deepEqual([await a.overlay(), await a.netns.run('ip -d link show flannel.1')], before);
  await cluster.put('config', usualConfig);
  await assertConnected(network);
  assert.equal(weft.exit, undefined);
});

test('SIGHUP looks at everything again and changes nothing that is right', async t => {
  const { cluster, a, b, weft } = await pair(t);
  const before = await a.overlay();
  weft.signal('SIGHUP');
  await weft.waitForOutput(/SIGHUP: looking at/);
  await eventuallyLeadsTo(a, [await leaseOf(cluster, b)]);
  assert.deepEqual(await a.overlay(), before);
  assert.equal(weft.exit, undefined);
});

test('a config that asks for a larger MTU than the interface has changes nothing that works, and is told of', async t => {
  const network = await pair(t);
  const { cluster, a, b, weft } = network;
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const before = await a.netns.run('ip -o link show flannel.1');
  const ping = await startPing(one.netns, other.address);
  await cluster.put('config', usualConfig.replace('"Type":"vxlan"', '"Type":"vxlan","MTU":1600'));
  await weft.waitForOutput(/the config assumes an underlay MTU of 1600, eth0 has 1500/);
  await ping.more(50);
  await assertNothingLost(ping);
  assert.equal(await a.netns.run('ip -o link show flannel.1'), before);
  assert.match((await a.subnetEnv()).text, /^FLANNEL_MTU=1450$/m);
  await assertConnected(network);
});
