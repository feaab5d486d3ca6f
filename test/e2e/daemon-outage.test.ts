/** etcd goes away and comes back: the data path does not notice, and what has changed meanwhile is caught up with. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed, joinAll, leaseOf } from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, kernelOf, type PeerFacts } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay, type Underlay } from '../support/weft-underlay.ts';

const came: PeerFacts = { subnet: '10.2.30.0/24', publicIp: '192.0.2.230', mac: '0a:00:00:00:00:30' };

const outages: ReadonlyArray<{
  readonly title: string;
  leave(underlay: Underlay): Promise<unknown>;
  comeBack(underlay: Underlay): Promise<unknown>;
}> = [
  {
    title: 'etcd is stopped, started out of reach, and at last where it was',
    leave: async ({ etcd }) => {
      await etcd.stop();
      await etcd.start('http://127.0.0.2:2379');
    },
    comeBack: async ({ etcd }) => {
      await etcd.stop();
      await etcd.start();
    },
  },
  {
    title: 'the network to etcd is cut without a word, and mended',
    leave: ({ bridge }) => bridge.run('ip link set port1 down'),
    comeBack: ({ bridge }) => bridge.run('ip link set port1 up'),
  },
];

for (const { title, leave, comeBack } of outages) {
  test(`${title}: no packet is lost, and what changed meanwhile is followed`, async t => {
    const scope = testScope(t);
    const underlay = await createUnderlay(scope);
    const cluster = await createCluster(scope, underlay);
    const [a, b, c] = await cluster.addHosts('a', 'b', 'c');
    const [weft, , weftC] = await joinAll(cluster, [a, b, c]);
    const [one, other] = [await a.addContainer(), await b.addContainer()];
    await weftC?.kill();
    const gone = await leaseOf(cluster, c);
    const peer = await leaseOf(cluster, b);
    const before = await kernelOf(a);
    const overlay = await a.overlay();
    const ping = await startPing(one.netns, other.address);

    await leave(underlay);
    await cluster.delete(gone.key);
    await cluster.putLease(came);
    await weft?.waitForOutput(/warn +the registry is out of reach: the network stays as it is/);
    await ping.more(20);
    assert.deepEqual(await kernelOf(a), before);
    assert.deepEqual(await a.overlay(), overlay);

    await comeBack(underlay);
    await weft?.waitForOutput(/info +the registry is there again/);
    await eventuallyLeadsTo(a, [peer, came]);
    await assertNothingLost(ping);
    assert.equal(weft?.exit, undefined);
    await leaseOf(cluster, a);
  });
}

test('a daemon that is restarted while etcd is away changes nothing, waits, and catches up when etcd is back', async t => {
  const scope = testScope(t);
  const underlay = await createUnderlay(scope);
  const cluster = await createCluster(scope, underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  const before = [await kernelOf(a), await a.overlay()];
  await underlay.etcd.stop();
  await weft?.kill();
  const again = await a.startWeft();
  await again.waitForOutput(/waiting for the network config: .*code=etcd-unreachable/);
  assert.deepEqual([await kernelOf(a), await a.overlay()], before);
  await underlay.etcd.start();
  await again.waitForOutput(/1 peers applied added=0 replaced=0 deleted=0/);
  await eventuallyMeshed(cluster, [a, b]);
});
