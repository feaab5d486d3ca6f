/** An etcd that is there and says nothing, in its two forms; a file of its own because silence takes its time. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type FaultyEtcd, startFaultyEtcd } from '../support/fault-etcd.ts';
import { testScope } from '../support/leaks.ts';
import { assertIdle, createOutagePair } from '../support/outage-pair.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const scope = testScope({ after });
const etcd = await startFaultyEtcd(scope, await createUnderlay(scope));

const silences: ReadonlyArray<{
  readonly title: string;
  begin(etcd: FaultyEtcd): Promise<void> | void;
  end(etcd: FaultyEtcd): Promise<void> | void;
  /** Whether others can change leases meanwhile. */
  readonly othersReachIt: boolean;
}> = [
  {
    title: 'behind a black hole that still accepts connections',
    begin: ({ fault }) => fault({ type: 'freeze' }),
    end: ({ fault }) => fault({ type: 'pass' }),
    othersReachIt: true,
  },
  {
    title: 'frozen (SIGSTOP)',
    begin: ({ signal }) => signal('SIGSTOP'),
    end: ({ signal }) => signal('SIGCONT'),
    othersReachIt: false,
  },
];

test('etcd falls silent, again and again, under a ping', async t => {
  const pair = await createOutagePair(scope, etcd.underlay);
  for (const { title, begin, end, othersReachIt } of silences) {
    await t.test(title, async t => {
      const before = await pair.kernel();
      const said = pair.listen();
      await begin(etcd);
      await said(/warn +the registry is out of reach: the network stays as it is/);
      if (othersReachIt) await pair.changePeers();
      const connections = await etcd.connections();
      t.diagnostic(await assertIdle(pair.weft));
      const more = (await etcd.connections()) - connections;
      assert.ok(more <= 15, `${more} connections in three seconds`);
      assert.deepEqual(await pair.kernel(), before);
      await pair.ping.more(20);
      await end(etcd);
      if (!othersReachIt) await pair.changePeers();
      await pair.converged();
      await said(/info +the registry is there again/);
    });
  }
  t.diagnostic(await pair.finish());
  assert.equal(pair.weft.exit, undefined);
});
