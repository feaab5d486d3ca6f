/** The fuzzer itself: would it notice? */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WeftError } from '../../src/base/errors.ts';
import { survives } from './fuzz.ts';
import { damagedBytes, damagedText } from './mutations.ts';

test('another error, and a result out of proportion, are noticed', () => {
  survives(() => 'fine', '', 0);
  survives(
    () => {
      throw new WeftError('some-code', 'refused');
    },
    '',
    0,
  );
  const failing: ReadonlyArray<() => unknown> = [
    () => {
      throw new TypeError('not ours');
    },
    () => 'x'.repeat(100_000),
    () => [new Uint8Array(100_000)],
    () => Array.from({ length: 10_000 }, () => ({})),
    () => new Map([['key', { deep: ['x'.repeat(100_000)] }]]),
  ];
  for (const decode of failing) assert.throws(() => survives(decode, '', 10));
});

test('what is planted is found: a length that is believed, a byte that is not expected, a token', () => {
  const runs = { numRuns: 20_000, seed: 1 };
  const bytes = damagedBytes([Uint8Array.of(4, 0, 0, 0, 1, 2, 3, 4)]);
  for (const planted of [
    (sample: Uint8Array) =>
      new DataView(sample.buffer, sample.byteOffset, sample.length).getUint32(0, true) < 9,
    (sample: Uint8Array) => sample[5] !== 0xff,
    (sample: Uint8Array) => sample.length < 100,
  ]) {
    assert.throws(() =>
      fc.assert(
        fc.property(bytes, sample => sample.length < 4 || planted(sample)),
        runs,
      ),
    );
  }
  const text = damagedText(['{"Network":"10.2.0.0/16"}']);
  for (const word of ['__proto__', '\ufffd', '/33', '[[[[']) {
    assert.throws(
      () =>
        fc.assert(
          fc.property(text, sample => !sample.includes(word)),
          runs,
        ),
      word,
    );
  }
});
