import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import type { Log } from '../../../src/base/log.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { Refusals } from '../../../src/daemon/refusals.ts';
import { type Step, stepOf } from '../../../src/state/diff.ts';
import { type KernelObject, keyOf } from '../../../src/state/kernel-object.ts';
import { createTestClock } from '../registry/clocks.ts';

const dev = 'flannel.1';
const link = stepOf({ verb: 'add', object: { type: 'link', value: { name: dev } } });
const refused = new WeftError('netlink-refused', 'invalid gateway');
const missing = new WeftError('device-missing', 'there is no network device eth0');

function neighbour(octet: number): Step {
  const object: KernelObject = {
    type: 'neighbour',
    value: {
      dev,
      dst: parseIp(`10.2.${octet}.0`),
      lladdr: parseMac('0a:00:00:00:00:01'),
      state: 'permanent',
    },
  };
  return stepOf({ verb: 'add', object });
}

const keyOfStep = ({ object }: Step) => keyOf(object);

function create() {
  const clock = createTestClock();
  const warnings: object[] = [];
  const log: Log = { debug() {}, info() {}, warn: fields => void warnings.push(fields), error() {} };
  // The whole of each delay.
  return { clock, warnings, refusals: new Refusals({ clock, log, random: () => 1 }) };
}

test('each refused object waits twice as long as the time before, up to half a minute, and for itself alone', async () => {
  const { clock, refusals } = create();
  const waits: number[] = [];
  for (let attempt = 0; attempt < 13; attempt++) {
    refusals.take([{ step: neighbour(14), error: refused }]);
    waits.push(refusals.nextInMs ?? 0);
    assert.equal(refusals.isWaiting(keyOfStep(neighbour(14))), true);
    assert.equal(refusals.isWaiting(keyOfStep(neighbour(15))), false);
    await clock.advance(refusals.nextInMs ?? 0);
    assert.equal(refusals.isWaiting(keyOfStep(neighbour(14))), false);
  }
  assert.deepEqual(waits, [
    ...[25, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600],
    ...[30_000, 30_000],
  ]);
  refusals.take([{ step: neighbour(15), error: refused }]);
  assert.equal(refusals.nextInMs, 0, 'the first is due');
  assert.equal(refusals.failing.get(keyOfStep(neighbour(14)))?.attempts, 13);
  assert.equal(refusals.failing.get(keyOfStep(neighbour(15)))?.attempts, 1);
});

test('a refusal is told the first time and each tenth time, with the command and the reason', () => {
  const { refusals, warnings } = create();
  for (let attempt = 0; attempt < 25; attempt++) refusals.take([{ step: neighbour(14), error: refused }]);
  const command = 'ip neigh add 10.2.14.0 lladdr 0a:00:00:00:00:01 dev flannel.1 nud permanent';
  assert.deepEqual(
    warnings,
    [1, 10, 20].map(attempts => ({ command, attempts, error: refused })),
  );
});

test('a device that cannot be made speaks for all that would be on it', () => {
  const { refusals, warnings } = create();
  const steps = [link, ...Array.from({ length: 200 }, (_, octet) => neighbour(octet))];
  refusals.take(steps.map(step => ({ step, error: missing })));
  assert.equal(refusals.failing.size, 201);
  assert.equal(warnings.length, 1);
});

test('when circumstances change everything is due at once, and what works or is not wanted is forgotten', () => {
  const { refusals } = create();
  refusals.take([14, 15, 16].map(octet => ({ step: neighbour(octet), error: refused })));
  assert.equal(refusals.nextInMs, 25);
  refusals.hurry();
  assert.equal(refusals.nextInMs, 0);
  refusals.resolve(keyOfStep(neighbour(14)));
  refusals.keep(key => key !== keyOfStep(neighbour(15)));
  assert.deepEqual([...refusals.failing.keys()], [keyOfStep(neighbour(16))]);
  refusals.resolve(keyOfStep(neighbour(16)));
  assert.equal(refusals.nextInMs, undefined);
});
