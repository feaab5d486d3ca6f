/**
 * Whatever happens to leases, kernel and daemon, in whatever order: when it is quiet again the kernel holds what the
 * leases say, and what is foreign is as it was.
 *
 *     WEFT_REPAIR_RUNS=500 WEFT_REPAIR_SEED=7 npm test -- test/kernel/repair-property.test.ts
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import type { Scope } from '../../src/base/scope.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { damageOf, damages, shellOf } from './repair-damages.ts';
import {
  dev,
  expected,
  foreignElsewhere,
  foreignOnOurs,
  Life,
  observed,
  type Peer,
  showForeign,
  targetOf,
  underlayLines,
} from './repair-model.ts';

const runs = Number(process.env['WEFT_REPAIR_RUNS'] ?? 20);
const seed = Number(process.env['WEFT_REPAIR_SEED'] ?? Date.now() & 0xffff);

type Event =
  | { readonly type: 'put'; readonly peer: Peer }
  | { readonly type: 'remove'; readonly octet: number }
  | { readonly type: 'snapshot'; readonly peers: readonly Peer[] }
  | { readonly type: 'damage'; readonly kind: string; readonly octet: number }
  /** The underlay is renamed and named back, or gone and back: for so long requests are refused. */
  | { readonly type: 'underlay'; readonly how: 'renamed' | 'gone'; readonly forMs: number }
  | { readonly type: 'restart'; readonly afterMs: number }
  | { readonly type: 'pause'; readonly forMs: number };

const octet = fc.integer({ min: 10, max: 15 });
const peer = fc.record({ octet, version: fc.integer({ min: 0, max: 3 }) });
const durationMs = fc.constantFrom(0, 1, 5, 20, 60);

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('put' as const), peer }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('remove' as const), octet }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('snapshot' as const),
      peers: fc.uniqueArray(peer, { selector: ({ octet }) => octet }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('damage' as const),
      kind: fc.constantFrom(...damages.map(damage => damage.kind)),
      octet,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('underlay' as const),
      how: fc.constantFrom('renamed' as const, 'gone' as const),
      forMs: durationMs,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('restart' as const), afterMs: durationMs }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('pause' as const), forMs: durationMs }) },
);

test(`after any sequence of events the kernel is as the leases say, and foreign things stay (seed ${seed})`, async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  await netns.ipBatch(foreignElsewhere);
  await fc.assert(
    fc.asyncProperty(fc.array(event, { minLength: 1, maxLength: 25 }), events => live(netns, events)),
    { numRuns: runs, seed, endOnFailure: process.env['WEFT_REPAIR_SHRINK'] === undefined },
  );
});

async function live(netns: Netns, events: readonly Event[]): Promise<void> {
  await netns.ipBatch(underlayLines);
  const foreignBefore = await showForeign(netns);
  const peers = new Map<number, Peer>([[10, { octet: 10, version: 0 }]]);
  let life = Life.start(netns, peers.values());
  try {
    await life.reconciler.settled();
    for (const event of events) life = await happen(netns, life, peers, event);
    const wanted = expected(peers.values());
    // Seldom, and only then, a fight over one thing is believed in, and waited for.
    await eventually('kernel as planned', async () => {
      assert.deepEqual(await observed(netns), wanted);
      return true;
    }).catch(async () => assert.deepEqual(await observed(netns), wanted));
    await life.reconciler.settled();
    assert.deepEqual(await observed(netns), wanted, 'and stays so');
    assert.equal(life.reconciler.failing.size, 0);
    assert.equal(await showForeign(netns), foreignBefore);
    await assertForeignOnOursStays(netns, life);
  } finally {
    await life.end();
    await netns.run(['sh', '-c', `ip link delete ${dev}; ip link delete eth0; true`]);
  }
}

async function happen(netns: Netns, life: Life, peers: Map<number, Peer>, event: Event): Promise<Life> {
  switch (event.type) {
    case 'put':
      peers.set(event.peer.octet, event.peer);
      life.put(event.peer);
      break;
    case 'remove':
      peers.delete(event.octet);
      life.remove(event);
      break;
    case 'snapshot':
      peers.clear();
      for (const peer of event.peers) peers.set(peer.octet, peer);
      life.snapshot(event.peers);
      break;
    case 'damage': {
      const peer = peers.get(event.octet) ?? { octet: event.octet, version: 0 };
      await netns.run(shellOf(damageOf(event.kind), targetOf(peer)));
      break;
    }
    case 'underlay':
      await netns.run(event.how === 'gone' ? 'ip link delete eth0' : 'ip link set eth0 name eth9');
      await sleep(event.forMs);
      await netns.ipBatch(event.how === 'gone' ? underlayLines : ['link set eth9 name eth0']);
      break;
    case 'restart':
      await life.end();
      await sleep(event.afterMs);
      return Life.start(netns, peers.values());
    case 'pause':
      await sleep(event.forMs);
  }
  return life;
}

/** After all that, what an administrator adds to our device is left alone, in peace and in repairs. */
async function assertForeignOnOursStays(netns: Netns, life: Life): Promise<void> {
  await netns.ipBatch(foreignOnOurs);
  const show = (): Promise<string> =>
    netns.run(['sh', '-c', `ip route; ip -4 address show dev ${dev}; ip neigh show dev ${dev}`]);
  const before = await show();
  await netns.run(`ip link set ${dev} mtu 1400`);
  await eventually('the MTU', async () => (await netns.run(`ip link show ${dev}`)).includes('mtu 1450'));
  life.reconciler.resync();
  await life.reconciler.settled();
  assert.equal(await show(), before);
}

test('a route of an administrator in the place of a peer stays when the peer leaves', async t => {
  const scope: Scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  await netns.ipBatch(underlayLines);
  const peer = { octet: 10, version: 0 };
  const life = Life.start(netns, [peer]);
  scope.defer('daemon', () => life.end());
  await life.reconciler.settled();
  // At the same instant as far as the daemon can tell: the notice of the route comes after the lease's.
  const moved = netns.run('ip route replace 10.2.10.0/24 via 192.0.2.9 dev eth0');
  life.remove(peer);
  await moved;
  await netns.run('ip route replace 10.2.10.0/24 via 192.0.2.9 dev eth0');
  life.reconciler.resync();
  await life.reconciler.settled();
  assert.match(await netns.run('ip route'), /10\.2\.10\.0\/24 via 192\.0\.2\.9 dev eth0/);
  assert.deepEqual(await observed(netns), expected([]));
});
