/** Peers' routes by next-hop objects, as large networks have them: what is seen, what is repaired, and how forms change. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster, joinAll } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));
const always = ['-route-next-hops=always'];

async function idOf(peer: WeftHost): Promise<number> {
  const { subnet } = await peer.subnetEnv();
  return subnet
    .split(/[./]/)
    .slice(0, 4)
    .reduce((value, octet) => value * 256 + Number(octet), 0);
}

async function routesOn({ netns }: WeftHost): Promise<string[]> {
  const text = await netns.run('ip route show dev flannel.1');
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(Boolean)
    .sort();
}

async function eventuallyByNextHops(host: WeftHost, ...peers: readonly WeftHost[]): Promise<void> {
  const wanted = await Promise.all(
    peers.map(async peer => {
      const { subnet } = await peer.subnetEnv();
      return `${subnet} nhid ${await idOf(peer)} via ${subnet.replace(/\/\d+$/, '')} onlink`;
    }),
  );
  await eventually(`${host.name} to lead to ${wanted.join(', ')}`, async () => {
    assert.deepEqual(await routesOn(host), wanted.sort());
    return true;
  });
}

async function threeHosts(cluster: Cluster) {
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const [weft] = await Promise.all(hosts.map(host => host.join(always)));
  assert.ok(weft !== undefined);
  const [a, b, c] = hosts;
  for (const host of hosts) await eventuallyByNextHops(host, ...hosts.filter(other => other !== host));
  return { a, b, c, weft };
}

test('routes by next hops read as an operator expects, carry packets, and are no difference to status, plan and trace', async t => {
  const { a, b } = await threeHosts(await createCluster(testScope(t), underlay));
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  await one.netns.run(`ping -n -c 3 -i 0.05 -W 5 ${other.address}`);
  const id = await idOf(b);
  assert.match(await a.netns.run(`ip nexthop show id ${id}`), /dev flannel\.1 .*proto 87 .*onlink/);
  const flags = [...a.flags, ...always];
  await a.run(['bin/weft', 'plan', ...flags, '-iptables-forward-rules=true']);
  assert.match(await a.run(['bin/weft', 'status', ...flags]), /programmed/);
  const traced = await a.run([
    'bin/weft',
    'trace',
    '-etcd-endpoints',
    underlay.etcd.url,
    '-etcd-prefix',
    flags[3] ?? '',
    other.address,
  ]);
  assert.match(traced, new RegExp(`nhid ${id}`));
});

const damages: ReadonlyArray<readonly [what: string, command: (id: number) => string]> = [
  ['a next hop removed, and its route with it', id => `ip nexthop del id ${id}`],
  ['all next hops flushed', () => 'ip nexthop flush proto 87'],
  [
    'a next hop that leads elsewhere',
    id => `ip nexthop replace id ${id} via 10.2.99.0 dev flannel.1 onlink proto 87`,
  ],
  ['a next hop that is a black hole', id => `ip nexthop replace id ${id} blackhole proto 87`],
  [
    'a route in the classic form',
    id => `ip route replace $(ip route | grep 'nhid ${id} ' | cut -d' ' -f1) dev flannel.1`,
  ],
  ['the device removed', () => 'ip link del flannel.1'],
  ['the device down and up', () => 'ip link set flannel.1 down; ip link set flannel.1 up'],
];

test('whatever happens to next hops is repaired, and those of others stay', async t => {
  const { a, b, c } = await threeHosts(await createCluster(testScope(t), underlay));
  await a.netns.run('ip nexthop add id 77 via 192.0.2.10 dev eth0 proto static');
  for (const [what, command] of damages) {
    await a.netns.run(['sh', '-c', command(await idOf(b))]);
    await eventuallyByNextHops(a, b, c).catch((cause: Error) => {
      throw new Error(`${what}: ${cause.message}`, { cause });
    });
    assert.match(await a.netns.run('ip nexthop show id 77'), /192\.0\.2\.10/, what);
  }
  assert.equal((await a.netns.run('ip nexthop show proto 87')).trim().split('\n').length, 2);
});

test('a restart adopts what is there, and the other form takes over without a packet lost', async t => {
  const { a, b, c, weft } = await threeHosts(await createCluster(testScope(t), underlay));
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  await weft.kill();
  const again = await a.join(always);
  assert.match(again.output, /2 peers applied added=0 replaced=0 deleted=0/);
  const ping = await startPing(one.netns, other.address);
  await again.stop();
  const classic = await a.join(['-route-next-hops=never']);
  await eventually('classic routes and no next hop', async () => {
    assert.ok((await routesOn(a)).every(line => !line.includes('nhid')));
    return (await a.netns.run('ip nexthop show proto 87')).trim() === '';
  });
  await ping.more(20);
  await classic.stop();
  await a.join(always);
  await eventuallyByNextHops(a, b, c);
  t.diagnostic(await assertNothingLost(ping));
});

test('a network that is small keeps the classic form unasked, and cleanup leaves no next hop', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  assert.equal((await a.netns.run('ip nexthop show')).trim(), '');
  await weft?.stop();
  const by = await a.join(always);
  await eventuallyByNextHops(a, b);
  await by.stop();
  await a.run(['bin/weft', 'cleanup', ...a.flags.slice(0, 4)]);
  assert.equal((await a.netns.run('ip nexthop show')).trim(), '');
});
