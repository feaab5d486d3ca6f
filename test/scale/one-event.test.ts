/**
 * One lease event is one peer's work, however many peers there are. Counted, not timed: V8 counts how often each piece of
 * Weft's code runs, from the registry's event to the kernel's notices of what was done for it, the guard included.
 */
import assert from 'node:assert/strict';
import { Session } from 'node:inspector/promises';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { fakePeer } from '../../bench/scale/fake-peers.ts';
import type { Scope } from '../../src/base/scope.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import type { PeerFacts } from '../support/weft-host.ts';
import { openMember } from './many-member.ts';

const sources = pathToFileURL('src/').href;
/** The store's side of the registry, which etcd has in its own process. */
const ofStore = /\/registry\/(history|memory)\.ts$/;

/** Begins to count, what is compiled from now on piece by piece; the function gives the count since it was last called. */
async function countRuns(scope: Scope): Promise<() => Promise<number>> {
  const session = new Session();
  session.connect();
  scope.defer('inspector', async () => session.disconnect());
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return async () => {
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const functions = result
      .filter(({ url }) => url.startsWith(sources) && !ofStore.test(url))
      .flatMap(script => script.functions);
    return functions.flatMap(({ ranges }) => ranges).reduce((sum, { count }) => sum + count, 0);
  };
}

test('a lease that changes, comes or goes costs as much among ten thousand as among a hundred', async t => {
  const scope = testScope(t);
  const taken = await countRuns(scope);
  /** Each kind twice: the first time something is compiled, and begun to be counted in pieces. */
  const events: ReadonlyArray<readonly [what: string, how: 'put' | 'remove', peers: readonly PeerFacts[]]> = [
    ['changes', 'put', [fakePeer(7, 1), fakePeer(9, 1)]],
    ['comes', 'put', [fakePeer(20_000), fakePeer(20_001)]],
    ['goes', 'remove', [fakePeer(10), fakePeer(11)]],
  ];
  const costs: Array<Record<string, number>> = [];
  for (const count of [100, 10_000]) {
    const member = await openMember(scope, await createNetns(scope, `host${count}`), count);
    const cost: Record<string, number> = {};
    for (const [what, how, peers] of events) {
      for (const peer of peers) {
        await taken();
        await member[how](peer);
        cost[what] = await taken();
      }
    }
    costs.push(cost);
    t.diagnostic(`among ${count}: ${JSON.stringify(cost)} pieces of code run`);
  }
  const [few = {}, many = {}] = costs;
  for (const [what] of events) {
    const [one = 0, other = 0] = [few[what], many[what]];
    assert.ok(one > 100, `${what}: ${one}`);
    assert.ok(
      other <= 1.5 * one,
      `${what}: ${one} pieces of code run among 100 peers, ${other} among 10,000`,
    );
  }
});

test('leases that change at once are one batch, not one each', async t => {
  const scope = testScope(t);
  const member = await openMember(scope, await createNetns(scope, 'burst'), 2000);
  const asked = t.mock.method(member.socket, 'requestAll');
  await member.putAll(Array.from({ length: 1000 }, (_, number) => fakePeer(number, 1)));
  const sizes = asked.mock.calls.map(({ arguments: [requests] }) => requests.length);
  assert.equal(
    sizes.filter(size => size > 1).reduce((sum, size) => sum + size, 0),
    3000,
  );
  assert.ok(sizes.length <= 20, `${sizes.length} batches`);
});
