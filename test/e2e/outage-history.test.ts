/** An etcd that comes back with another past than the one the hosts know. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { startFaultyEtcd } from '../support/fault-etcd.ts';
import { testScope } from '../support/leaks.ts';
import { createOutagePair } from '../support/outage-pair.ts';
import { leaseOf } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const scope = testScope({ after });
const etcd = await startFaultyEtcd(scope, await createUnderlay(scope));
const empty = await etcd.backup();
const pair = await createOutagePair(scope, etcd.underlay);
const { cluster, a, b, weft } = pair;

const lost = /warn +the registry is out of reach: the network stays as it is/;

test('what happened while the hosts were away is compacted: they list, and touch only what has changed', async () => {
  await pair.changePeers();
  await pair.converged();
  const { subnet } = await leaseOf(cluster, b);
  const said = pair.listen();
  await etcd.fault({ type: 'reset' });
  await said(lost);
  await pair.changePeers();
  await compactAll();
  const monitor = await a.netns.start('ip monitor route');
  await etcd.fault({ type: 'pass' });
  await pair.converged();
  await pair.changePeers();
  await monitor.waitForOutput(/^10\.2\.33\.0\/24 /m);
  await monitor.kill();
  assert.match(monitor.output, /^10\.2\.32\.0\/24 /m);
  assert.ok(!monitor.output.includes(subnet), `the other host's route was touched:\n${monitor.output}`);
});

test('a backup is restored that has older leases of the hosts: they put them right, with the same subnets', async t => {
  const before = await leaseOf(cluster, a);
  const backup = await etcd.backup();
  const renewed = pair.listen();
  await cluster.put(before.key, 'nonsense');
  await renewed(/renewed the lease of \S+ why=overwritten/);
  const newer = await leaseOf(cluster, a);
  for (let changes = 0; changes < 5; changes++) await pair.changePeers();
  await pair.converged();
  const said = pair.listen();
  await etcd.restore(backup);
  await said(/renewed the lease of \S+ why=overwritten/);
  await pair.converged();
  const after = await leaseOf(cluster, a);
  assert.deepEqual([after.subnet, after.mac], [before.subnet, before.mac]);
  assert.ok(![before.leaseId, newer.leaseId].includes(after.leaseId), 'a lease whose end it knows');
  t.diagnostic(await pair.finish());
});

test('a backup is restored from before the hosts came: they write their leases again, with the same subnets', async () => {
  const leases = [await leaseOf(cluster, a), await leaseOf(cluster, b)];
  await etcd.restore(empty);
  await pair.converged();
  for (const [index, host] of [a, b].entries()) {
    const { subnet, mac } = await leaseOf(cluster, host);
    assert.deepEqual([subnet, mac], [leases[index]?.subnet, leases[index]?.mac]);
  }
  assert.equal((await cluster.leases()).size, 2, 'what only the other past knew is gone');
  await pair.reach();
  assert.equal(weft.exit, undefined);
});

test('a backup is restored and outgrows what the hosts know before they are back: they find out', async () => {
  const before = await leaseOf(cluster, a);
  const said = pair.listen();
  await etcd.fault({ type: 'reset' });
  await said(lost);
  const known = await revisionNow();
  await etcd.restore(empty);
  await grow(100);
  assert.ok((await revisionNow()) > known);
  await etcd.fault({ type: 'pass' });
  await pair.converged();
  await pair.reach();
  const { subnet, mac } = await leaseOf(cluster, a);
  assert.deepEqual([subnet, mac], [before.subnet, before.mac]);
});

/** Compacts up to the present revision. */
async function compactAll(): Promise<void> {
  await etcd.ctl(['compact', `${await revisionNow()}`, '--physical']);
}

async function revisionNow(): Promise<bigint> {
  const text = await etcd.ctl(['get', 'x', '-w', 'json']);
  return BigInt(/"revision":(\d+)/.exec(text)?.[1] ?? 0);
}

/** Changes something elsewhere so often. */
async function grow(changes: number): Promise<void> {
  const url = 'http://127.0.1.1:2379/v3/kv/put';
  const program = `
    const body = JSON.stringify({ key: btoa('/elsewhere'), value: btoa('x') });
    for (let made = 0; made < ${changes}; made++) await fetch('${url}', { method: 'POST', body });`;
  const { netns } = etcd.underlay.etcd;
  await netns.run([process.execPath, '--input-type=module', '--eval', program]);
}
