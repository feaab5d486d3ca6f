/** Devices that were renamed are the same devices: packets still go through them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { dev, expected, Life, observed, underlayLines } from './repair-model.ts';

const peers = [10, 11].map(octet => ({ octet, version: 0 }));

async function indexOf(netns: Netns, name: string): Promise<number> {
  return Number.parseInt(await netns.run(`ip -o link show ${name}`), 10);
}

test('our device gets its name back, whether it lost it under a daemon or between two', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  await netns.ipBatch(underlayLines);
  let life = Life.start(netns, peers);
  scope.defer('daemon', () => life.end());
  await life.reconciler.settled();
  const index = await indexOf(netns, dev);
  await netns.run(`ip link set ${dev} name foo`);
  await eventually('the name', async () => {
    assert.deepEqual(await observed(netns), expected(peers));
    return true;
  });
  await life.end();
  await netns.run(`ip link set ${dev} name foo`);
  life = Life.start(netns, peers);
  await life.reconciler.settled();
  assert.deepEqual(await observed(netns), expected(peers));
  assert.equal(await indexOf(netns, dev), index);
  assert.deepEqual([...life.reconciler.failing], []);
});

test('an underlay under another name is waited for, and our device with its peers stays meanwhile', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  await netns.ipBatch(underlayLines);
  const life = Life.start(netns, peers);
  scope.defer('daemon', () => life.end());
  await life.reconciler.settled();
  const index = await indexOf(netns, dev);
  await netns.run('ip link set eth0 name eth9');
  life.reconciler.resync();
  await life.reconciler.settled();
  assert.equal(await indexOf(netns, dev), index);
  assert.match(JSON.stringify([...life.reconciler.failing.values()]), /no network device eth0/);
  // What can be repaired meanwhile is.
  await netns.run('ip route delete 10.2.10.0/24');
  await eventually('the route', async () => (await netns.run('ip route')).includes('10.2.10.0/24'));
  await netns.run('ip link set eth9 name eth0');
  await eventually('nothing to complain of', () => life.reconciler.failing.size === 0);
  assert.deepEqual(await observed(netns), expected(peers));
  assert.equal(await indexOf(netns, dev), index);
});
