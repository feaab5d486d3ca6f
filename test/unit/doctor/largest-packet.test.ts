import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { closeGap, sizesWithin } from '../../../src/doctor/largest-packet.ts';

const gaps = fc
  .tuple(fc.integer({ min: 28, max: 9000 }), fc.integer({ min: 1, max: 9000 }))
  .map(([passesBytes, width]) => ({ passesBytes, vanishesBytes: passesBytes + width }));

test('the sizes to ask for lie within the gap, in order, each once, and leave none out of a narrow one', () => {
  fc.assert(
    fc.property(gaps, fc.integer({ min: 1, max: 40 }), (gap, count) => {
      const sizes = sizesWithin(gap, count);
      assert.ok(sizes.every(size => size > gap.passesBytes && size < gap.vanishesBytes));
      assert.ok(sizes.every((size, index) => index === 0 || size > (sizes[index - 1] ?? 0)));
      const between = gap.vanishesBytes - gap.passesBytes - 1;
      assert.equal(sizes.length, Math.min(count, between));
    }),
  );
});

test('the largest packet that passes is found to the byte, in three rounds at most for any Ethernet', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 92, max: 1499 }), async largest => {
      let rounds = 0;
      const found = await closeGap({ passesBytes: 92, vanishesBytes: 1500 }, async sizes => {
        rounds++;
        return new Set(sizes.filter(size => size <= largest));
      });
      assert.deepEqual(found, { passesBytes: largest, vanishesBytes: largest + 1 });
      assert.ok(rounds <= 3, `${rounds} rounds`);
    }),
  );
});

test('a packet lost by chance does not hide larger ones that pass', async () => {
  const found = await closeGap({ passesBytes: 100, vanishesBytes: 1500 }, async sizes => {
    const passing = sizes.filter(size => size <= 1400);
    // The smallest of each round is lost.
    return new Set(passing.length > 1 ? passing.slice(1) : passing);
  });
  assert.deepEqual(found, { passesBytes: 1400, vanishesBytes: 1401 });
});
