import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DueQueue } from '../../../../src/daemon/probing/due-queue.ts';

test('things come out by time, however they are put in and taken out between', () => {
  const step = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant('take' as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const queue = new DueQueue<{ readonly dueMs: number }>();
      const twin: { readonly dueMs: number }[] = [];
      for (const step of steps) {
        if (step === 'take') {
          const taken = queue.take();
          const at = taken === undefined ? -1 : twin.indexOf(taken);
          assert.equal(at < 0, twin.length === 0, 'what was put in, once');
          assert.equal(taken?.dueMs, twin.length === 0 ? undefined : Math.min(...twin.map(one => one.dueMs)));
          if (at >= 0) twin.splice(at, 1);
        } else {
          const thing = { dueMs: step };
          twin.push(thing);
          queue.add(thing, step);
        }
        assert.equal(queue.size, twin.length);
        assert.equal(queue.firstMs, Math.min(Number.POSITIVE_INFINITY, ...twin.map(one => one.dueMs)));
      }
    }),
  );
});
