/** Tokens of etcd's authentication do not last: they expire unused, a restart forgets them all, a change outdates them. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startFaultyEtcd } from '../support/fault-etcd.ts';
import { testScope } from '../support/leaks.ts';
import { createOutagePair } from '../support/outage-pair.ts';
import { leaseOf } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const scope = testScope({ after });
const user = { name: 'weft', password: 'Sesame-opens' };
const ttlSeconds = 2;
const etcd = await startFaultyEtcd(scope, await createUnderlay(scope), {
  flags: ['--auth-token-ttl', `${ttlSeconds}`],
});
await etcd.enableAuth(user);
const flags = ['-etcd-username', user.name, '-etcd-password', user.password];
const pair = await createOutagePair(scope, etcd.underlay, { flags });
const { cluster, a, weft } = pair;

const causes: ReadonlyArray<{ readonly title: string; act(): Promise<unknown> }> = [
  {
    title: 'the tokens expire while every connection is lost',
    act: async () => {
      await etcd.fault({ type: 'reset' });
      // etcd removes what has expired once a second.
      await sleep((ttlSeconds + 2) * 1000);
      await etcd.fault({ type: 'pass' });
    },
  },
  {
    title: 'etcd restarts and has forgotten them',
    act: async () => {
      await etcd.kill();
      await etcd.start();
    },
  },
  {
    title: 'they are outdated by a change of users',
    act: () => etcd.ctl(['user', 'add', 'another:secret']),
  },
];

for (const { title, act } of causes) {
  test(`${title}: the hosts go on watching, and go on writing`, async () => {
    await act();
    await pair.changePeers();
    await pair.converged();
    const { key, subnet, mac } = await leaseOf(cluster, a);
    const said = pair.listen();
    await cluster.put(key, 'nonsense');
    await said(/renewed the lease of \S+ why=overwritten/);
    const again = await leaseOf(cluster, a);
    assert.deepEqual([again.subnet, again.mac], [subnet, mac]);
  });
}

test('the ping went through all of it, and the password was never shown', async t => {
  t.diagnostic(await pair.finish());
  assert.equal(weft.exit, undefined);
  assert.doesNotMatch(weft.output, /Sesame/);
});
