/** Leases as flanneld writes them, captured from real ones, among our own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createCluster, leaseOf } from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, type PeerFacts } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

const captured = readFileSync(path.join(import.meta.dirname, '../fixtures/flannel/leases-0.28.9.txt'), 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);

const vxlanPeers: readonly PeerFacts[] = [
  { subnet: '10.2.2.0/24', publicIp: '192.0.2.201', mac: '0e:1b:df:af:46:7a' },
  { subnet: '10.2.7.0/24', publicIp: '192.0.2.202', mac: '92:6f:d3:d2:ae:c3' },
];

/** The same network, with a range of its own for us: none of the captured subnets may be leased. */
const config =
  '{"Network":"10.2.0.0/16","SubnetMin":"10.2.101.0","SubnetMax":"10.2.120.0","Backend":{"Type":"vxlan"}}';

test('flanneld’s vxlan leases are followed, found at the start or seen later; its other backends are named and left out', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config });
  const [a] = await cluster.addHosts('a');
  const [first, ...later] = captured;
  assert.ok(first);
  await cluster.put(...first);
  const weft = await a.join();
  assert.deepEqual((await a.overlay()).routes, ['10.2.2.0/24 via 10.2.2.0 onlink']);
  for (const [key, value] of later) await cluster.put(key, value);
  await eventuallyLeadsTo(a, vxlanPeers);
  await weft.waitForOutput(/lease 10\.2\.19\.0\/24 is left out: it has the backend host-gw, ours is vxlan/);
  await weft.waitForOutput(
    /lease 10\.2\.14\.0\/24 is left out: it has the backend udp or alloc, ours is vxlan/,
  );
  await weft.kill();
  assert.match((await a.join()).output, /2 peers applied added=0 replaced=0 deleted=0/);
  await eventuallyLeadsTo(a, vxlanPeers);
});

test('a host takes over the lease that its flanneld left in etcd: subnet and MAC, with our write byte for byte the same', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const [[key, value] = ['', '']] = captured;
  const theirs = value.replace('192.0.2.201', a.address);
  await cluster.put(
    key,
    theirs,
    /lease (\S+) granted/.exec(await underlay.etcd.ctl('lease', 'grant', '3600'))?.[1],
  );
  const before = await leaseOf(cluster, a);
  await a.join();
  const lease = await leaseOf(cluster, a);
  assert.equal(lease.value, theirs);
  assert.equal(lease.key, key);
  assert.notEqual(lease.leaseId, before.leaseId, 'renewed for another 24 hours');
  assert.match(await a.netns.run('ip link show flannel.1'), /link\/ether 0e:1b:df:af:46:7a /);
  assert.equal((await cluster.leases()).size, 1);
});
