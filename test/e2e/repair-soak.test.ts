/** The short form of `npm run bench -- soak`, and without what depends on a quiet machine. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { soak } from './repair-soak.ts';

const seconds = Number(process.env['WEFT_SOAK_SECONDS'] ?? 20);
const seed = Number(process.env['WEFT_SOAK_SEED'] ?? Date.now() & 0xffff);

test(`after ${seconds} seconds of everything at once each host is as the leases say (seed ${seed})`, async t => {
  const actions: string[] = [];
  const report = await soak(testScope(t), {
    seconds,
    seed,
    onAction: action => void actions.push(action),
  }).catch((cause: Error) => {
    throw new Error(`${cause.message}\n${actions.slice(-15).join('\n')}`, { cause });
  });
  const { pings, witness } = report;
  t.diagnostic([...report.actions].map(([action, times]) => `${action}: ${times}`).join(', '));
  t.diagnostic(`${pings.lost} of ${pings.sent} packets lost between ${pings.pairs} pairs`);
  // A connection to etcd more or less is at rest too; a leak would be one for each of the actions.
  assert.ok(witness.end.descriptors <= witness.after.descriptors + 2, JSON.stringify(witness));
  assert.ok(report.repairs > 0);
});
