import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs } from '../../../src/base/backoff.ts';

const backoff = { firstMs: 100, maxMs: 5000 };

test('the wait doubles up to the limit', () => {
  const longest = Array.from({ length: 8 }, (_, attempt) => backoffMs(backoff, attempt, 1 - 2 ** -53));
  assert.deepEqual(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
  const shortest = Array.from({ length: 8 }, (_, attempt) => backoffMs(backoff, attempt, 0));
  assert.deepEqual(shortest, [50, 100, 200, 400, 800, 1600, 2500, 2500]);
});

test('a wait is never less than half of the first and never more than the limit, whatever the attempt', () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.nat(1_000_000), random, (attempt, chance) => {
      const wait = backoffMs(backoff, attempt, chance);
      assert.ok(Number.isInteger(wait) && wait >= backoff.firstMs / 2 && wait <= backoff.maxMs, `${wait}`);
      assert.ok(backoffMs(backoff, attempt + 1, chance) >= wait);
    }),
  );
});
