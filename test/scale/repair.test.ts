/**
 * Everything of test/kernel/repair-*.test.ts once more, with ten thousand peers: each kind of damage, and any sequence of
 * events. Damages to single entries are done all at once, each to a peer of its own.
 *
 *     WEFT_REPAIR_SEED=7 npm test -- test/scale/repair.test.ts
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fakePeer } from '../../bench/scale/fake-peers.ts';
import { type Damage, damages, seeded, shellOf } from '../kernel/repair-damages.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { deviceIn, ManyLife, ownDevice, targetOf, underlayLines } from './many-life.ts';
import { dev, eventuallyShows, firstPeers, linesOf, manyPeers } from './many-peers.ts';

const seed = Number(process.env['WEFT_REPAIR_SEED'] ?? Date.now() & 0xffff);
const random = seeded(seed);
const anyOf = (count: number): number => Math.floor(random() * count);

const scope = testScope({ after });
const netns = await createNetns(scope, 'host');
await netns.ipBatch(underlayLines);
const peers = firstPeers(manyPeers);
let life = ManyLife.open(netns);
scope.defer('daemon', () => life.end());

/** Everything is as the leases say, and stays so. */
async function isRight(what: string, wanted: ReadonlySet<string> = linesOf(peers)): Promise<void> {
  await life.reconciler.settled();
  await eventuallyShows(netns, wanted, what);
  await eventually(`the device after ${what}`, async () => (await deviceIn(netns)) === ownDevice).catch(
    async () => assert.equal(await deviceIn(netns), ownDevice, what),
  );
  await life.reconciler.settled();
  assert.equal(life.reconciler.failing.size, 0);
}

function namesPeer({ commands }: Damage): boolean {
  const { subnet, mac } = fakePeer(0);
  const text = commands(targetOf(0, 0)).join(' ');
  return text.includes(mac) || text.includes(subnet.replace('/24', ''));
}

const flushes: readonly Damage[] = [
  { kind: 'all neighbours flushed', commands: () => [`ip neigh flush dev ${dev} nud permanent`] },
  { kind: 'all FDB entries flushed', commands: () => [`bridge fdb flush dev ${dev}`] },
  { kind: 'all next hops flushed', commands: () => ['ip nexthop flush proto 87'] },
];

test('ten thousand peers are programmed, right to the entry', async () => {
  life.wish(peers);
  await isRight('all peers');
});

test('another life finds them as they are, and asks the kernel to change nothing', async t => {
  await life.end();
  life = ManyLife.open(netns);
  const asked = t.mock.method(life.socket, 'requestAll');
  life.wish(peers);
  assert.deepEqual(await life.reconciler.settled(), { added: 0, replaced: 0, deleted: 0 });
  assert.equal(asked.mock.callCount(), 0);
  asked.mock.restore();
});

test(`every kind of damage is repaired (seed ${seed})`, async t => {
  const wanted = linesOf(peers);
  for (const { what, commands } of rounds()) {
    const startMs = performance.now();
    await netns.run(['sh', '-c', [...commands, 'true'].join('; ')]);
    await isRight(what, wanted);
    t.diagnostic(`${what}: ${Math.round(performance.now() - startMs)} ms`);
  }
  assert.ok(!life.warnings.some(warning => /something keeps changing/.test(warning)), 'taken for a fight');
});

/** What is done at once: to one peer each, to what the device is set to, and all the rest by itself. */
function rounds(): Array<{ readonly what: string; readonly commands: readonly string[] }> {
  const single = damages.filter(namesPeer);
  const settings = damages.filter(({ kind }) => /^(MTU|queue|learning|stale)/.test(kind));
  const whole = [...damages, ...flushes].filter(one => !single.includes(one) && !settings.includes(one));
  return [single, settings, ...whole.map(damage => [damage])].map(some => ({
    what: some.map(({ kind }) => kind).join(', '),
    commands: some.flatMap(({ commands }, index) => commands(targetOf(index * 900 + anyOf(900), 0))),
  }));
}

test(`after a sequence of leases, damages and restarts the kernel is as the leases say (seed ${seed})`, async t => {
  const acts: ReadonlyArray<readonly [string, () => Promise<void> | void]> = [
    ['put', () => put(anyOf(manyPeers))],
    ['new', () => put(manyPeers + anyOf(100))],
    ['remove', () => remove(anyOf(manyPeers))],
    ['damage', () => strike(anyOf(manyPeers))],
    ['damage', () => strike(anyOf(manyPeers))],
    ['pause', () => sleep(anyOf(50))],
    ['restart', restart],
  ];
  const told: string[] = [];
  for (let count = 0; count < 12; count++) {
    const [name, act] = acts[anyOf(acts.length)] ?? acts[0] ?? assert.fail();
    told.push(name);
    await act();
  }
  t.diagnostic(told.join(' '));
  await isRight(told.join(' '));
});

test('the classic form takes over from next-hop objects, is found as it is, and comes back when the device is lost', async () => {
  const wanted = linesOf(peers, 'classic');
  await life.end();
  life = ManyLife.open(netns, 'never');
  life.wish(peers);
  await isRight('classic routes', wanted);
  await life.end();
  life = ManyLife.open(netns, 'never');
  life.wish(peers);
  assert.deepEqual(await life.reconciler.settled(), { added: 0, replaced: 0, deleted: 0 });
  await netns.run(`ip link delete ${dev}`);
  await isRight('the device deleted', wanted);
});

function put(number: number): void {
  const generation = ((peers.get(number) ?? 0) + 1) & 0xff;
  peers.set(number, generation);
  life.put(number, generation);
}

function remove(number: number): void {
  peers.delete(number);
  life.remove(number);
}

async function strike(number: number): Promise<void> {
  const damage = damages[anyOf(damages.length)] ?? assert.fail();
  await netns.run(shellOf(damage, targetOf(number, peers.get(number) ?? 0)));
}

async function restart(): Promise<void> {
  await life.end();
  life = ManyLife.open(netns);
  life.wish(peers);
}
