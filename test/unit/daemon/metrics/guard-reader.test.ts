import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { GuardReader } from '../../../../src/daemon/metrics/guard-reader.ts';
import { emptyGuardReport, type GuardReport } from '../../../../src/traffic/guard-report.ts';

function report(packets: number): GuardReport {
  return { ...emptyGuardReport, strangersDropped: { packets, bytes: 0 } };
}

/** A firewall that answers when the test wants. */
function create() {
  const time = { nowMs: 0 };
  const asked: PromiseWithResolvers<GuardReport>[] = [];
  const firewall = {
    status: { engine: 'nftables', problem: '', obstacles: [], repairs: 0 } as const,
    guardReport: () => {
      const answer = Promise.withResolvers<GuardReport>();
      asked.push(answer);
      return answer.promise;
    },
  };
  const reader = new GuardReader(() => time.nowMs);
  const read = async () => (await reader.read(firewall))?.strangersDropped.packets;
  return { time, asked, read };
}

test('what is known is told for ten seconds, and read once for all who ask at the same time', async () => {
  const { time, asked, read } = create();
  const both = Promise.all([read(), read()]);
  asked[0]?.resolve(report(3));
  assert.deepEqual(await both, [3, 3]);
  time.nowMs = 9_999;
  assert.equal(await read(), 3);
  assert.equal(asked.length, 1);
  time.nowMs = 10_000;
  const again = read();
  asked[1]?.resolve(report(5));
  assert.equal(await again, 5);
});

test('who cannot be read is not waited for: what was known stays', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { time, asked, read } = create();
  const first = read();
  asked[0]?.resolve(report(3));
  assert.equal(await first, 3);
  time.nowMs = 20_000;
  const slow = read();
  t.mock.timers.tick(1000);
  assert.equal(await slow, 3);
  asked[1]?.reject(new Error('locked'));
  await setImmediate();
  time.nowMs = 40_000;
  const mended = read();
  asked[2]?.resolve(report(4));
  assert.equal(await mended, 4);
});
