/** Two hosts that are told to publish one address, and a key that somebody deletes again and again. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, leaseOf } from '../support/weft-cluster.ts';
import { healthFlags, kernelOf } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

test('two hosts publish one address: both say so, neither writes for ever, and each keeps its own side', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const flags = ['-public-ip', '192.0.2.250', ...healthFlags];
  const first = await a.join(flags);
  const before = [await kernelOf(a), (await a.subnetEnv()).subnet];
  const second = await b.join(flags);
  const complaint =
    /error ANOTHER HOST PUBLISHES OUR ADDRESS 192\.0\.2\.250, and writes our lease of 10\.2\.\d+\.0\/24 .*ours=.*theirs=.*remedy=/;
  await first.waitForOutput(complaint);
  await second.waitForOutput(complaint);
  const quiet = await eventually('an end of it', async () => {
    const text = await modRevision();
    await sleep(3_000);
    return (await modRevision()) === text && text;
  });
  assert.deepEqual([await kernelOf(a), (await a.subnetEnv()).subnet], before);
  assert.equal((await cluster.leases()).size, 1);
  for (const weft of [first, second]) {
    assert.equal(weft.exit, undefined);
    assert.equal(weft.output.split('ANOTHER HOST PUBLISHES').length - 1, 1, 'said once');
    const writes = weft.output.split('renewed the lease').length - 1;
    assert.ok(writes <= 4, `${writes} writes`);
  }
  assert.equal(await modRevision(), quiet);
  for (const host of [a, b]) assert.equal(await host.health('/readyz'), '200 flanneld is ready');

  async function modRevision(): Promise<string> {
    const text = await underlay.etcd.ctl('get', '--prefix', `${cluster.prefix}/subnets/`, '-w', 'json');
    return /"mod_revision":(\d+)/.exec(text)?.[1] ?? '';
  }
});

test('a key that somebody deletes ten times is written ten times, with one subnet and one MAC', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const weft = await a.join();
  const { key, subnet, mac } = await leaseOf(cluster, a);
  const before = await kernelOf(a);
  for (let round = 0; round < 10; round++) {
    await cluster.delete(key);
    await eventually('the key again', async () => (await cluster.get(key)) !== undefined);
  }
  const lease = await leaseOf(cluster, a);
  assert.deepEqual([lease.subnet, lease.mac], [subnet, mac]);
  assert.deepEqual(await kernelOf(a), before);
  assert.equal(weft.output.split('why=deleted').length - 1, 10);
});
