import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { silentLog } from '../../../src/base/log.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { Refusals } from '../../../src/daemon/refusals.ts';
import { RepairGate } from '../../../src/daemon/repair-gate.ts';
import { RepairLog } from '../../../src/daemon/repair-log.ts';
import { type Step, stepOf } from '../../../src/state/diff.ts';
import { keyOf, type ObjectKey } from '../../../src/state/kernel-object.ts';
import { createTestClock } from '../registry/clocks.ts';

const dev = 'flannel.1';
const link: Step['object'] = { type: 'link', value: { name: dev } };
const address = stepOf({
  verb: 'add',
  object: { type: 'address', value: { dev, local: parseIp('10.2.1.0'), prefixLength: 32 } },
});

function route(octet: number): Step {
  const gateway = parseIp(`10.2.${octet}.0`);
  return stepOf({
    verb: 'add',
    object: { type: 'route', value: { dst: parsePrefix(`10.2.${octet}.0/24`), gateway, dev, onlink: true } },
  });
}

function change(field: string): Step {
  return stepOf({
    verb: 'replace',
    object: link,
    differences: [{ field, desired: 1, actual: 2, fixed: false }],
  });
}

function create() {
  const clock = createTestClock();
  const refusals = new Refusals({ clock, log: silentLog, random: () => 1 });
  const due: ObjectKey[] = [];
  const gate = new RepairGate({
    ...{ clock, refusals, repairs: new RepairLog(silentLog, clock), onDue: key => void due.push(key) },
    later: (delayMs, act) => void clock.sleep(delayMs, { signal: undefined }).then(act),
  });
  const pass = (steps: readonly Step[], wished: readonly Step[] = []): readonly Step[] =>
    gate.pass(steps, new Set(wished.map(step => keyOf(step.object))));
  /** Until it has to wait. */
  const wear = (step: Step): void => {
    for (let times = 0; times < 100 && pass([step]).length > 0; times++);
  };
  return { clock, refusals, due, pass, wear };
}

test('what is fought over waits, is made known when its time has come, and passes then', async () => {
  const { clock, due, pass, wear } = create();
  wear(route(14));
  assert.deepEqual(pass([route(14), route(15)]), [route(15)]);
  await clock.advance(99);
  assert.deepEqual(due, []);
  await clock.advance(10);
  assert.deepEqual(due, [keyOf(route(14).object)]);
  assert.deepEqual(pass([route(14)]), [route(14)]);
});

test('what was asked for passes, fight or not', () => {
  const { pass, wear } = create();
  wear(route(14));
  assert.deepEqual(pass([route(14)], [route(14)]), [route(14)]);
});

test('a fight over one property of a device leaves its others free', () => {
  const { pass, wear } = create();
  wear(change('mac'));
  assert.deepEqual(pass([change('mac')]), []);
  assert.deepEqual(pass([change('mtuBytes')]), [change('mtuBytes')]);
  const add = stepOf({ verb: 'add', object: link });
  assert.deepEqual(pass([add]), [add]);
});

test('what went with a device or with its address is no fight, however often', () => {
  for (const mended of [stepOf({ verb: 'add', object: link }), address]) {
    const { pass } = create();
    for (let times = 0; times < 15; times++) {
      // In the same pass, and in the one that follows the look.
      assert.equal(pass([mended, route(14)]).length, 2);
      assert.equal(pass([route(14)]).length, 1);
    }
    // None of the thirty was counted.
    for (let times = 0; times < 20; times++) {
      pass([]);
      assert.equal(pass([route(14)]).length, 1);
    }
    assert.equal(pass([route(14)]).length, 0);
  }
});

test('a device that is made anew is two steps and one repair', () => {
  const { pass } = create();
  const steps: readonly Step[] = [
    stepOf({
      verb: 'delete',
      object: link,
      differences: [{ field: 'vni', desired: 1, actual: 2, fixed: true }],
    }),
    stepOf({ verb: 'add', object: link }),
  ];
  for (let times = 0; times < 20; times++) assert.deepEqual(pass(steps), steps);
  assert.deepEqual(pass(steps), []);
});

test('what the kernel refused waits for its retry', async () => {
  const { clock, refusals, pass } = create();
  refusals.take([{ step: route(14), error: new WeftError('netlink-refused', 'no') }]);
  assert.deepEqual(pass([route(14), route(15)]), [route(15)]);
  await clock.advance(25);
  assert.deepEqual(pass([route(14)]), [route(14)]);
});
