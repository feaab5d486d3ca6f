/** What a daemon finds in the kernel when it starts: its own of yesterday, what has become stale, what is foreign. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed, joinAll, leaseOf } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

test('a peer that left while the daemon was down is forgotten at the start: route, neighbour and FDB entry', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b, c] = await cluster.addHosts('a', 'b', 'c');
  const [weft, weftB] = await joinAll(cluster, [a, b, c]);
  await Promise.all([weft?.kill(), weftB?.kill()]);
  const gone = await leaseOf(cluster, b);
  await cluster.delete(gone.key);
  assert.match((await a.overlay()).routes.join('\n'), new RegExp(gone.subnet), 'nobody has taken it away');
  const again = await a.join();
  assert.match(again.output, /1 peers applied added=0 replaced=0 deleted=3/);
  await eventuallyMeshed(cluster, [a, c]);
});

test('what an administrator has put on the device and elsewhere stays through start, peers and restart', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft, weftB] = await joinAll(cluster, [a, b]);
  const foreign = [
    'route add 198.51.100.0/24 dev flannel.1',
    'route add 203.0.113.0/24 via 192.0.2.10 dev eth0',
    'route add 10.9.9.0/24 via 192.0.2.10 dev eth0',
    'neigh add 198.51.100.7 lladdr 02:00:00:00:00:07 dev flannel.1 nud stale',
    'address add 198.51.100.1/24 dev flannel.1 noprefixroute',
    'address add 172.20.0.1/24 dev eth0',
  ];
  await a.netns.ipBatch(foreign);
  await a.netns.run('bridge fdb add 00:00:00:00:00:00 dev flannel.1 dst 192.0.2.99 self permanent');
  const before = await everythingOn(a);
  await weft?.kill();
  await a.join();
  assert.deepEqual(await everythingOn(a), before);
  await weftB?.kill();
  await cluster.delete((await leaseOf(cluster, b)).key);
  await eventually('end of the route to b', async () => !/ via 10\.2\./.test(await a.netns.run('ip route')));
  const lines = (await everythingOn(a)).join('\n');
  for (const kept of [
    /198\.51\.100\.0\/24 dev flannel\.1/,
    /203\.0\.113\.0\/24 via 192\.0\.2\.10/,
    /10\.9\.9\.0\/24 via 192\.0\.2\.10/,
    /198\.51\.100\.7 lladdr 02:00:00:00:00:07/,
    /inet 198\.51\.100\.1\/24/,
    /inet 172\.20\.0\.1\/24/,
    /00:00:00:00:00:00 dst 192\.0\.2\.99/,
  ]) {
    assert.match(lines, kept);
  }
});

const adopted: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['as it was left', []],
  ['down', ['link set flannel.1 down']],
  ['with another MTU', ['link set flannel.1 mtu 1400']],
  ['with another MAC', ['link set flannel.1 address 0a:00:00:00:00:99']],
  ['without its address', ['address flush dev flannel.1']],
  ['with another address of the network', ['address add 10.2.200.0/32 dev flannel.1']],
  ['with another local address', ['link set flannel.1 type vxlan local 127.0.0.1']],
  ['with learning on', ['link set flannel.1 type vxlan learning']],
];

test('a compatible device is adopted and put right', async t => {
  const host = await settledHost(t);
  for (const [title, commands] of adopted) {
    await t.test(title, async () => {
      await host.stopAnd(commands);
      const index = await indexOf(host.a);
      await host.startAgain();
      assert.equal(await indexOf(host.a), index, 'the same device');
    });
  }
});

const remade: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['another VNI', ['link add flannel.1 type vxlan id 2 dev eth0 local $IP dstport 8472 nolearning']],
  ['another port', ['link add flannel.1 type vxlan id 1 dev eth0 local $IP dstport 4789 nolearning']],
  [
    'a multicast group',
    ['link add flannel.1 type vxlan id 1 dev eth0 local $IP group 239.1.1.1 dstport 8472'],
  ],
  ['another kind', ['link add flannel.1 type bridge']],
];

test('an incompatible device is made anew, with the MAC of the lease', async t => {
  const host = await settledHost(t);
  for (const [title, commands] of remade) {
    await t.test(title, async () => {
      await host.stopAnd(['link delete flannel.1', ...commands]);
      const index = await indexOf(host.a);
      await host.startAgain();
      assert.notEqual(await indexOf(host.a), index, 'another device');
    });
  }
});

test('a device that is gone is made again, with the MAC of the lease', async t => {
  const host = await settledHost(t);
  await host.stopAnd(['link delete flannel.1']);
  await host.startAgain();
});

test("what was put in the place of a peer's route while the daemon was away is replaced, not taken for the underlay", async t => {
  const host = await settledHost(t);
  const [route] = (await host.a.overlay()).routes;
  const peer = route?.split(' ')[0];
  await host.stopAnd([`route replace ${peer} dev eth0`]);
  await host.startAgain();
});

/** A host that has joined, whose daemon can be stopped for an intrusion and started again. */
async function settledHost(t: Parameters<typeof testScope>[0]) {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  let [weft] = await joinAll(cluster, [a, b]);
  const right = await deviceOf(a);
  assert.equal((await leaseOf(cluster, a)).mac, /link\/ether (\S+)/.exec(right)?.[1]);
  return {
    a,
    stopAnd: async (commands: readonly string[]) => {
      await weft?.kill();
      await a.netns.ipBatch(commands.map(command => command.replace('$IP', a.address)));
    },
    /** Then all must be as it was. */
    startAgain: async () => {
      weft = await a.join();
      assert.equal(await deviceOf(a), right);
      await eventuallyMeshed(cluster, [a, b]);
    },
  };
}

async function indexOf(host: WeftHost): Promise<number> {
  return Number.parseInt(await host.netns.run('ip -o link show flannel.1'), 10);
}

/** Device and addresses as text, without the number. */
async function deviceOf(host: WeftHost): Promise<string> {
  const link = await host.netns.run('ip -d link show flannel.1');
  const addresses = await host.netns.run('ip -4 addr show dev flannel.1');
  return [link, addresses.replace(/^.*\n/, '')].join('').replace(/^\d+: /, '');
}

async function everythingOn(host: WeftHost): Promise<string[]> {
  const commands = [
    ...['ip -4 route', 'ip -4 addr show dev flannel.1', 'ip -4 addr show dev eth0'],
    ...['ip neigh show dev flannel.1', 'bridge fdb show dev flannel.1', 'ip -d link show flannel.1'],
  ];
  const texts = await Promise.all(commands.map(command => host.netns.run(command)));
  return texts.flatMap(text => text.split('\n').filter(Boolean).sort());
}
