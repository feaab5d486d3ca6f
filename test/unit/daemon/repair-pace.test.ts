import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RepairPace } from '../../../src/daemon/repair-pace.ts';

/** Somebody who undoes each repair `reactMs` later, for so long; gives the times of the repairs. */
function fight(pace: RepairPace, what: string, reactMs: number, durationMs: number): number[] {
  const repairs: number[] = [];
  for (let nowMs = 0; nowMs < durationMs; ) {
    const verdict = pace.ask(what, nowMs);
    if (verdict.type === 'now') repairs.push(nowMs);
    nowMs += verdict.type === 'wait' ? verdict.delayMs : reactMs;
  }
  return repairs;
}

test('what is damaged no more than twice a second is always repaired at once', () => {
  const pace = new RepairPace();
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 500) {
    assert.deepEqual(pace.ask('route 10.2.14.0/24', nowMs), { type: 'now' });
  }
});

test('a burst of twenty is repaired at once, and then each repair waits twice as long as the one before', () => {
  const pace = new RepairPace();
  const repairs = fight(pace, 'route 10.2.14.0/24', 0.001, 120_000);
  const waits = repairs.slice(19).map((at, index) => Math.round(at - (repairs[index + 18] ?? 0)));
  assert.deepEqual(waits.slice(0, 11), [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000]);
});

test('whoever undoes every repair is answered with at most 30 changes in a minute, and 2 in each that follows', () => {
  for (const reactMs of [0.01, 1, 10, 100, 300]) {
    const repairs = fight(new RepairPace(), 'link flannel.1 mac', reactMs, 600_000);
    const inMinute = (minute: number) => repairs.filter(at => Math.floor(at / 60_000) === minute).length;
    assert.ok(inMinute(0) <= (reactMs < 100 ? 30 : 200), `${inMinute(0)} at ${reactMs} ms`);
    assert.ok(inMinute(8) <= 3, `${inMinute(8)} in the ninth minute at ${reactMs} ms`);
  }
});

test('a fight is complained of once, and again when it breaks out anew after a minute of peace', () => {
  const pace = new RepairPace();
  const complaints: number[] = [];
  const storm = (fromMs: number): void => {
    for (let at = fromMs; at < fromMs + 20_000; at += 5) {
      const verdict = pace.ask('neighbour flannel.1 10.2.14.0', at);
      if (verdict.type === 'wait' && verdict.complain) complaints.push(at);
    }
  };
  storm(0);
  storm(20_000);
  assert.deepEqual(complaints, [100]);
  storm(200_000);
  assert.deepEqual(complaints, [100, 200_100]);
});

test('a wait that goes on is not counted again, and at its end the repair is free', () => {
  const pace = new RepairPace();
  for (let times = 0; times < 20; times++) assert.equal(pace.ask('x', 0).type, 'now');
  assert.deepEqual(pace.ask('x', 0), { type: 'wait', delayMs: 100, complain: true });
  for (const nowMs of [0, 1, 50, 99]) assert.deepEqual(pace.ask('x', nowMs), { type: 'waiting' });
  assert.deepEqual(pace.ask('x', 100), { type: 'now' });
  assert.deepEqual(pace.ask('x', 101), { type: 'wait', delayMs: 200, complain: false });
});

test('a fight over one thing never slows the repair of another', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('fought over', 'other'), fc.nat(50)), { maxLength: 400 }),
      asks => {
        const [alone, together] = [new RepairPace(), new RepairPace()];
        let nowMs = 0;
        for (const [what, laterMs] of asks) {
          nowMs += laterMs;
          if (what === 'fought over') together.ask(what, nowMs);
          else assert.deepEqual(together.ask(what, nowMs), alone.ask(what, nowMs));
        }
      },
    ),
  );
});

test('what has been right for a minute is forgotten, and what is fought over is not', () => {
  const pace = new RepairPace();
  for (let peer = 0; peer < 5000; peer++) pace.ask(`route ${peer}`, 0);
  for (let nowMs = 0; nowMs < 59_000; nowMs += 10) pace.ask('fought over', nowMs);
  pace.prune(59_999);
  assert.equal(pace.size, 5001);
  pace.prune(60_000);
  assert.equal(pace.size, 1);
  pace.prune(600_000);
  assert.equal(pace.size, 0);
});
