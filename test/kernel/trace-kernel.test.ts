/** What a trace makes of a kernel that says no in its own ways. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { culpritOf, type Hop, type Trace } from '../../src/trace/hop.ts';
import { testScope } from '../support/leaks.ts';
import { addressesOf, drawPlain, openHouse, settled, traceIn } from './trace-house.ts';

const { there, container, outside } = addressesOf[4];

function hopsOf({ hops }: Trace, kind: Hop['kind']): Hop[] {
  return hops.filter(hop => hop.kind === kind);
}

test('a packet that the reverse path filter drops is told, and the command lets it through', async t => {
  const house = await openHouse(testScope(t), { Type: 'vxlan' }, 4);
  await settled(house);
  await house.netns.run('sysctl -qw net.ipv4.conf.cni0.rp_filter=1');
  await house.netns.run('ip route del 10.2.1.0/24 dev cni0');
  const culprit = culpritOf((await traceIn(house, there, container)).hops);
  assert.match(
    culprit?.cause ?? '',
    /the reverse path filter drops it: an answer to 10\.2\.1\.2 would not leave by cni0/,
  );
  for (const command of culprit?.remedy?.commands ?? []) await house.netns.run(command);
  const [out] = hopsOf(await traceIn(house, there, container), 'route');
  assert.equal(out?.verdict, 'passes');
});

test('rules of nftables break the way, and masquerade, as those of iptables do', async t => {
  const house = await openHouse(testScope(t), { Type: 'vxlan' }, 4);
  await settled(house);
  const nft = (input: string) => house.netns.run('nft -f -', { input });
  await nft(
    'table ip t { chain post { type nat hook postrouting priority 100; ip saddr 10.2.0.0/16 ip daddr != 10.2.0.0/16 masquerade; }; }',
  );
  const [masquerade] = hopsOf(await traceIn(house, outside, container), 'masquerade');
  assert.deepEqual([masquerade?.verdict, masquerade?.entries[0]?.tool], ['passes', 'nft ip t post']);
  assert.deepEqual(hopsOf(await traceIn(house, there, container), 'masquerade'), []);
  await nft(
    'table inet f { chain forwarding { type filter hook forward priority 0; policy drop; oifname "eth0" accept; }; }',
  );
  const broken = await traceIn(house, there, container);
  assert.match(culpritOf(broken.hops)?.cause ?? '', /nft inet f forwarding drops it/);
  assert.equal(
    (await traceIn(house, there)).verdict,
    'passes',
    'what this host itself sends is not forwarded',
  );
});

test('a packet is followed over the one of several ways that the kernel takes, and through next-hop objects', async t => {
  const house = await openHouse(testScope(t), { Type: 'vxlan' }, 4);
  await settled(house);
  await house.netns.ipBatch([
    'neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev eth0 nud permanent',
    'neigh add 192.0.2.8 lladdr 02:00:00:00:00:08 dev eth0 nud permanent',
    'route add 198.51.100.0/24 nexthop via 192.0.2.7 dev eth0 nexthop via 192.0.2.8 dev eth0',
    'nexthop add id 7 via 192.0.2.7 dev eth0',
    'nexthop add id 8 via 192.0.2.8 dev eth0',
    'nexthop add id 9 group 7/8',
    'route add 203.0.113.0/24 nhid 9',
  ]);
  for (const network of ['198.51.100', '203.0.113']) {
    const seen = new Set<string>();
    for (let host = 1; host <= 12; host++) {
      const found = await traceIn(house, `${network}.${host}`);
      assert.equal(found.verdict, 'passes', drawPlain(found));
      const taken = (await house.netns.run(`ip route get ${network}.${host}`)).match(/via (\S+)/)?.[1] ?? '';
      const [neighbour] = hopsOf(found, 'neighbour');
      assert.ok(neighbour?.entries[0]?.line.startsWith(`${taken} `), drawPlain(found));
      seen.add(taken);
    }
    assert.equal(seen.size, 2, network);
  }
});
