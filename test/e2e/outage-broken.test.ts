/** An etcd whose connections break or crawl, under a ping. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startFaultyEtcd } from '../support/fault-etcd.ts';
import { testScope } from '../support/leaks.ts';
import { assertIdle, createOutagePair } from '../support/outage-pair.ts';
import { leaseKey } from '../support/weft-cluster.ts';
import type { PeerFacts } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const scope = testScope({ after });
const etcd = await startFaultyEtcd(scope, await createUnderlay(scope));
const pair = await createOutagePair(scope, etcd.underlay);

const lost = /warn +the registry is out of reach: the network stays as it is/;
const found = /info +the registry is there again/;

test('every connection is reset, for as long as it takes: nothing changes, then all is caught up with', async t => {
  const before = await pair.kernel();
  const said = pair.listen();
  await etcd.fault({ type: 'reset' });
  await said(lost);
  await pair.changePeers();
  t.diagnostic(await assertIdle(pair.weft));
  const connections = await etcd.connections();
  t.diagnostic(await assertIdle(pair.weft));
  const more = (await etcd.connections()) - connections;
  assert.ok(more <= 15, `${more} connections of two hosts in three seconds`);
  assert.deepEqual(await pair.kernel(), before);
  await pair.ping.more(20);
  await etcd.fault({ type: 'pass' });
  await pair.converged();
  await said(found);
});

test('connections are cut within a message: what is not whole does not count, and comes again', async () => {
  const peers = Array.from(
    { length: 80 },
    (_, index): PeerFacts => ({
      subnet: `10.2.${100 + index}.0/24`,
      publicIp: `192.0.2.${150 + (index % 50)}`,
      mac: `0a:00:00:00:02:${(16 + index).toString(16)}`,
    }),
  );
  const said = pair.listen();
  await etcd.fault({ type: 'cut', afterBytes: 1500 });
  await Promise.all(peers.map(peer => pair.cluster.putLease(peer)));
  await said(lost);
  await pair.ping.more(20);
  await etcd.fault({ type: 'pass' });
  await pair.converged();
  await etcd.fault({ type: 'cut', afterBytes: 1500 });
  for (const peer of peers) await pair.cluster.delete(leaseKey(peer));
  await etcd.fault({ type: 'pass' });
  await pair.converged();
});

test('a slow etcd is no lost one: changes come later, and nobody is told of an outage', async () => {
  const from = pair.weft.output.length;
  await etcd.fault({ type: 'delay', milliseconds: 700 });
  for (let round = 0; round < 3; round++) {
    await pair.changePeers();
    await pair.converged();
  }
  assert.doesNotMatch(pair.weft.output.slice(from), lost);
  await etcd.fault({ type: 'pass' });
});

test('the ping went through all of it', async t => {
  t.diagnostic(await pair.finish());
  assert.equal(pair.weft.exit, undefined);
});
