/** A cluster of three: leaders change, members die, and a majority goes missing. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { startFaultyEtcd } from '../support/fault-etcd.ts';
import { testScope } from '../support/leaks.ts';
import { assertIdle, createOutagePair } from '../support/outage-pair.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const scope = testScope({ after });
const etcd = await startFaultyEtcd(scope, await createUnderlay(scope), { members: 3 });
const pair = await createOutagePair(scope, etcd.underlay);
const members = [0, 1, 2];

test('the leader changes, to each member in turn: every change is followed', async () => {
  for (const member of members) {
    await moveLeaderTo(member);
    await serving(members);
    await pair.changePeers();
    await pair.converged();
  }
});

test('each member dies in turn, and one is cut off: the hosts go on with the others', async () => {
  for (const member of members) {
    await etcd.kill(member);
    await serving(members.filter(other => other !== member));
    await pair.changePeers();
    await pair.converged();
    await etcd.start();
  }
  await etcd.fault({ type: 'freeze' }, 0);
  await pair.changePeers();
  await pair.converged();
  await etcd.fault({ type: 'pass' }, 0);
});

test('the majority is gone: the data path stays, until it is back', async t => {
  const before = await pair.kernel();
  const said = pair.listen();
  await etcd.kill(0);
  await etcd.kill(1);
  await said(/warn +the registry is out of reach: the network stays as it is/);
  t.diagnostic(await assertIdle(pair.weft));
  assert.deepEqual(await pair.kernel(), before);
  await pair.ping.more(20);
  await etcd.start();
  await serving(members);
  await pair.changePeers();
  await pair.converged();
});

test('the ping went through all of it', async t => {
  t.diagnostic(await pair.finish());
  assert.equal(pair.weft.exit, undefined);
});

/** Waits until these members have a leader: etcdctl would give up on a write during an election. */
async function serving(some: readonly number[]): Promise<void> {
  for (const member of some) {
    await eventually(`service of member ${member}`, () => etcd.ctl(['get', 'x'], member).then(() => true));
  }
}

async function moveLeaderTo(member: number): Promise<void> {
  const status = await Promise.all(members.map(index => etcd.ctl(['endpoint', 'status'], index)));
  // Columns: endpoint, id, version, size, is leader, ...
  const columns = status.map(line => line.split(', '));
  const leader = columns.findIndex(column => column[4] === 'true');
  const id = columns[member]?.[1] ?? '';
  if (leader !== member) await etcd.ctl(['move-leader', id], leader);
}
