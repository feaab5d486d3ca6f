/**
 * Everything of the overlay is deleted and altered in random order, again and again, under pings of 5 ms.
 *
 *     WEFT_DRIFT_ROUNDS=500 WEFT_DRIFT_SEED=7 npm test -- test/e2e/repair-drift.test.ts
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded, shuffled } from '../kernel/repair-damages.ts';
import { testScope } from '../support/leaks.ts';
import { startPing } from '../support/weft-ping.ts';
import { createRepairCluster } from './repair-cluster.ts';

const rounds = Number(process.env['WEFT_DRIFT_ROUNDS'] ?? 72);
const seed = Number(process.env['WEFT_DRIFT_SEED'] ?? Date.now() & 0xffff);
const pingMs = 5;
/** Three in 24 kinds remove the device: twice a second is the most that is not taken for a fight. */
const roundMs = 100;

test(`whatever is deleted or altered is repaired, ${rounds} times (seed ${seed})`, async t => {
  const { container, others, targets, kinds, weft, show, strike, repaired } = await createRepairCluster(
    testScope(t),
  );
  const random = seeded(seed);
  const pings = await Promise.all(others.map(other => startPing(container.netns, other.address)));
  const right = await show();
  const windows = new Map<string, number[]>();
  let deck: string[] = [];
  for (let round = 0; round < rounds; round++) {
    if (deck.length === 0) deck = shuffled(kinds, random);
    const kind = deck.pop() ?? '';
    const target = targets[Math.floor(random() * targets.length)];
    assert.ok(target);
    const startMs = performance.now();
    await strike(kind, target);
    await repaired(right).catch((cause: Error) => {
      throw new Error(`round ${round}, ${kind}: ${cause.message}\n${weft.output.slice(-3000)}`);
    });
    const windowMs = performance.now() - startMs;
    windows.set(kind, [...(windows.get(kind) ?? []), windowMs]);
    await sleep(Math.max(0, roundMs - windowMs));
  }
  await Promise.all(pings.map(ping => ping.more(20)));
  const results = await Promise.all(pings.map(ping => ping.stop()));
  assert.equal(await show(), right);
  assert.equal(weft.exit, undefined);
  const told = weft.output.match(/warn +repaired/g)?.length ?? 0;
  assert.ok(told >= rounds, `${told} repairs were told of, of ${rounds}`);
  assert.doesNotMatch(weft.output, /something keeps changing/);

  const sent = results.reduce((sum, { answered }) => sum + answered, 0);
  const lost = results.reduce((sum, result) => sum + result.lost.length, 0);
  const damagedMs = [...windows.values()].flat().reduce((sum, window) => sum + window, 0);
  t.diagnostic(`${rounds} damages repaired; ${lost} of ${sent} packets lost, to ${others.length} hosts`);
  t.diagnostic(
    `from before the damage to seen to be repaired: ${Math.round(damagedMs / rounds)} ms on average`,
  );
  // Only between a damage and its repair is anything lost; one more may be under way each time.
  assert.ok(lost <= others.length * (damagedMs / pingMs + rounds), `${lost} packets lost in ${damagedMs} ms`);
});
