/** What happens to a host's own lease while its daemon runs, and before it starts. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed, joinAll, leaseOf } from '../support/weft-cluster.ts';
import { healthFlags, kernelOf, type WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

test('a lease that somebody deletes is taken again, with the same subnet and MAC, and the daemon lives', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  const before = await leaseOf(cluster, a);
  await cluster.delete(before.key);
  await weft?.waitForOutput(/renewed the lease of \S+ why=deleted/);
  const again = await leaseOf(cluster, a);
  assert.deepEqual({ ...again, leaseId: '' }, { ...before, leaseId: '' });
  assert.notEqual(again.leaseId, undefined);
  assert.equal(weft?.exit, undefined);
  await eventuallyMeshed(cluster, [a, b]);
});

test('a subnet that another host writes over is lost loudly: not ready, the data path stays, and it is taken back when free', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const weft = await a.join(healthFlags);
  const { key, value } = await leaseOf(cluster, a);
  const before = await kernelOf(a);
  await cluster.put(key, value.replace(a.address, '192.0.2.240'));
  await weft.waitForOutput(
    /error LOST THE SUBNET: .*error=.*the subnet \S+, which \S+ leased, is no longer ours: 192\.0\.2\.240 holds it.*remedy=/,
  );
  await eventually('not ready', async () =>
    (await a.health('/readyz')).startsWith('503 flanneld is not ready yet: the subnet'),
  );
  assert.match(await a.health('/readyz'), /192\.0\.2\.240 holds it/);
  assert.match((await cluster.get(key)) ?? '', /192\.0\.2\.240/, 'the other keeps it');
  assert.equal((await cluster.leases()).size, 1, 'no other subnet is taken behind the containers’ backs');
  assert.deepEqual(await kernelOf(a), before);
  assert.equal(weft.exit, undefined);
  await cluster.delete(key);
  await eventually('ready again', async () => (await a.health('/readyz')) === '200 flanneld is ready');
  assert.equal(await cluster.get(key), value);
});

test('a lease that somebody writes over with nonsense is put right', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const weft = await a.join();
  const { key, value } = await leaseOf(cluster, a);
  await cluster.put(key, 'nonsense');
  await weft.waitForOutput(/renewed the lease of \S+ why=overwritten/);
  await eventually('the old value', async () => (await cluster.get(key)) === value);
});

test('a reservation, a key without TTL, gives its host that subnet, and stays permanent', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const key = 'subnets/10.2.13.0-24';
  await cluster.put(key, `{"PublicIP":"${a.address}"}`);
  const [weft] = await joinAll(cluster, [a, b]);
  assert.match(weft?.output ?? '', /leased 10\.2\.13\.0\/24 how=kept permanent=true/);
  const lease = await leaseOf(cluster, a);
  assert.equal(lease.subnet, '10.2.13.0/24');
  assert.match(lease.mac, /^[0-9a-f:]{17}$/);
  assert.equal(lease.leaseId, undefined, 'no TTL');
  await weft?.kill();
  await a.join();
  assert.deepEqual(await leaseOf(cluster, a), lease);
});

test('a reservation for one host is given to no other, however many want a subnet', async t => {
  const config =
    '{"Network":"10.2.0.0/16","SubnetMin":"10.2.1.0","SubnetMax":"10.2.3.0","Backend":{"Type":"vxlan"}}';
  const cluster = await createCluster(testScope(t), underlay, { config });
  const [a, b, c] = await cluster.addHosts('a', 'b', 'c');
  await cluster.put('subnets/10.2.2.0-24', `{"PublicIP":"${c.address}"}`);
  await Promise.all([a.join(), b.join()]);
  assert.deepEqual([(await leaseOf(cluster, a)).subnet, (await leaseOf(cluster, b)).subnet].sort(), [
    '10.2.1.0/24',
    '10.2.3.0/24',
  ]);
  await c.join();
  assert.equal((await leaseOf(cluster, c)).subnet, '10.2.2.0/24');
  await eventuallyMeshed(cluster, [a, b, c]);
});

test('an operator makes a running host’s lease permanent by writing it without TTL', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const weft = await a.join();
  const { key, value, leaseId } = await leaseOf(cluster, a);
  assert.notEqual(leaseId, undefined);
  await cluster.put(key, value);
  await weft.waitForOutput(/renewed the lease of \S+ why=overwritten/);
  assert.equal((await leaseOf(cluster, a)).leaseId, undefined);
  await restarted(a, weft);
  assert.equal((await leaseOf(cluster, a)).leaseId, undefined);
});

test('a lease that no longer fits the config is given up for one that does', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const weft = await a.join();
  const old = await leaseOf(cluster, a);
  await cluster.put('config', '{"Network":"10.7.0.0/16","SubnetLen":24,"Backend":{"Type":"vxlan"}}');
  const again = await restarted(a, weft);
  assert.match(
    again.output,
    new RegExp(`${old.subnet}, leased to ${a.address}, does not fit the network config`),
  );
  const lease = await leaseOf(cluster, a);
  assert.match(lease.subnet, /^10\.7\.\d+\.0\/24$/);
  assert.equal((await cluster.leases()).size, 1);
  assert.match((await a.subnetEnv()).text, /^FLANNEL_NETWORK=10\.7\.0\.0\/16$/m);
  assert.match(
    await a.netns.run('ip -4 addr show dev flannel.1'),
    new RegExp(`inet ${lease.subnet.replace('/24', '/32')} `),
  );
});

async function restarted(host: WeftHost, weft: Daemon): Promise<Daemon> {
  await weft.kill();
  return host.join();
}
