/** An etcd whose database is full refuses to write: what is written stays, what must be written is tried again. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startFaultyEtcd } from '../support/fault-etcd.ts';
import { testScope } from '../support/leaks.ts';
import { createOutagePair } from '../support/outage-pair.ts';
import { leaseOf } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const scope = testScope({ after });
const etcd = await startFaultyEtcd(scope, await createUnderlay(scope), {
  flags: ['--quota-backend-bytes', `${512 * 1024}`],
});
const pair = await createOutagePair(scope, etcd.underlay);
const { cluster, a, weft } = pair;

test('etcd is full: a lease that must be written is said to fail, with the remedy, and is written when there is room', async t => {
  const before = await pair.kernel();
  const { key, subnet, mac } = await leaseOf(cluster, a);
  await fill();
  assert.deepEqual(await pair.kernel(), before);
  t.diagnostic(await pair.finish());
  const said = pair.listen();
  await cluster.delete(key);
  await said(
    /warn +the lease could not be renewed, trying again error=.*database space exceeded.*\[etcd-nospace\]/,
  );
  assert.deepEqual(await pair.kernel(), before, 'our own side stays as it is');
  // Long enough that the pauses between the tries have grown.
  const from = weft.output.length;
  await weft.waitFor(
    'four more tries',
    () => weft.output.slice(from).split('could not be renewed').length > 4,
  );
  await makeRoom();
  await pair.converged();
  await said(/renewed the lease of \S+ why=deleted/);
  const again = await leaseOf(cluster, a);
  assert.deepEqual([again.subnet, again.mac], [subnet, mac]);
  await pair.changePeers();
  await pair.converged();
  await pair.reach();
  assert.equal(weft.exit, undefined);
});

async function fill(): Promise<void> {
  const value = 'x'.repeat(64 * 1024);
  for (let tries = 0; tries < 100; tries++) {
    try {
      await etcd.ctl(['put', '/filler', value]);
    } catch (error) {
      assert.match(String(error), /database space exceeded/);
      assert.match(await etcd.ctl(['alarm', 'list']), /NOSPACE/);
      return;
    }
  }
  assert.fail('etcd took 6 MiB into 512 KiB');
}

/** As etcd's documentation has it: compact, defragment, disarm. */
async function makeRoom(): Promise<void> {
  const status = await etcd.ctl(['get', 'x', '-w', 'json']);
  await etcd.ctl(['compact', /"revision":(\d+)/.exec(status)?.[1] ?? '', '--physical']);
  await etcd.ctl(['defrag']);
  await etcd.ctl(['alarm', 'disarm']);
}
