import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from '../../../src/tunnel/rate-limit.ts';

test('as many as the burst pass at once, then as many as the rate, and no more is saved up than the burst', () => {
  const limit = new RateLimit(100, 5, 1000);
  const passed = (nowMs: number, tries: number): number =>
    Array.from({ length: tries }, () => limit.take(nowMs)).filter(Boolean).length;
  assert.equal(passed(1000, 100), 5);
  assert.equal(passed(1009, 100), 0);
  assert.equal(passed(1010, 100), 1);
  assert.equal(passed(1040, 100), 3);
  assert.equal(passed(100_000, 100), 5);
});
