/** Several routes to one destination: the kernel takes the first, so the first must be ours, and the rest is not ours. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { Life, underlayLines } from './repair-model.ts';

const ours = '10.2.10.0/24 via 10.2.10.0 dev flannel.1 onlink';

async function begin(t: TestContext): Promise<{ netns: Netns; life: Life }> {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  await netns.ipBatch(underlayLines);
  const life = Life.start(netns, [{ octet: 10, version: 0 }]);
  scope.defer('daemon', () => life.end());
  await life.reconciler.settled();
  assert.deepEqual(await routesOf(netns), [ours]);
  return { netns, life };
}

async function routesOf(netns: Netns): Promise<string[]> {
  const lines = (await netns.run('ip route show 10.2.10.0/24')).split('\n').map(line => line.trim());
  return lines.filter(Boolean);
}

for (const route of ['via 192.0.2.77 dev eth0', 'dev flannel.1']) {
  test(`a route put before ours is replaced by ours: ${route}`, async t => {
    const { netns, life } = await begin(t);
    await netns.run(`ip route prepend 10.2.10.0/24 ${route}`);
    await eventually('ours alone', async () => {
      assert.deepEqual(await routesOf(netns), [ours]);
      return true;
    });
    await life.reconciler.settled();
    assert.equal(life.reconciler.failing.size, 0);
  });
}

for (const route of ['via 192.0.2.77 dev eth0', 'via 192.0.2.77 dev flannel.1 onlink']) {
  test(`a route put behind ours stays, and costs no repair of each look: ${route}`, async t => {
    const { netns, life } = await begin(t);
    await netns.run(`ip route append 10.2.10.0/24 ${route}`);
    const both = [ours, `10.2.10.0/24 ${route}`];
    // One repair may follow from the notice, which does not tell the order.
    await eventually('a look that finds nothing to do', async () => {
      life.reconciler.resync();
      assert.deepEqual(await life.reconciler.settled(), { added: 0, replaced: 0, deleted: 0 });
      return true;
    });
    assert.deepEqual(await routesOf(netns), both);
  });
}
