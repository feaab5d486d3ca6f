import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  beginSearch,
  isOver,
  nextSize,
  type SizeSearch,
  withPassed,
  withTooLarge,
  withVanished,
} from '../../../../src/daemon/probing/size-search.ts';

/** Over a path that swallows what is larger than `limit`, and a device that refuses what is larger than its MTU. */
function searchOver(start: SizeSearch, limit: number, deviceMtu = Number.POSITIVE_INFINITY) {
  const asked: number[] = [];
  let search = start;
  while (!isOver(search)) {
    const size = nextSize(search);
    asked.push(size);
    assert.ok(asked.length < 40, `it ends: ${asked}`);
    if (size > deviceMtu) search = withTooLarge(search);
    else search = size > limit ? withVanished(search) : withPassed(search);
  }
  return { asked, largestBytes: search.largestBytes };
}

test('where all passes one question is enough', () => {
  assert.deepEqual(searchOver(beginSearch(1450, 64), 9000), { asked: [1450], largestBytes: 1450 });
});

test('a size that is lost three times is searched for by halving, each step asked twice before it is believed lost', () => {
  const { asked, largestBytes } = searchOver(beginSearch(1450, 64), 1422);
  assert.equal(largestBytes, 1422);
  assert.deepEqual(asked.slice(0, 7), [1450, 1450, 1450, 757, 1103, 1276, 1363]);
  assert.deepEqual(asked.slice(-2), [1423, 1423]);
});

test('what is still so is confirmed by few questions', () => {
  const { asked, largestBytes } = searchOver(beginSearch(1450, 64, 1422), 1422);
  assert.deepEqual(asked, [1450, 1450, 1450, 1422, 1423, 1423]);
  assert.equal(largestBytes, 1422);
});

test('a device that refuses is believed at once', () => {
  const { asked, largestBytes } = searchOver(beginSearch(1450, 64), 9000, 1400);
  assert.equal(largestBytes, 1400);
  assert.equal(new Set(asked).size, asked.length);
});

test('a packet that is lost by chance does not make a size too large', () => {
  const search = withVanished(withVanished(beginSearch(1450, 64)));
  assert.equal(nextSize(search), 1450);
  assert.equal(withPassed(search).largestBytes, 1450);
});

test('any limit is found to the byte, whatever was found before', () => {
  const size = fc.integer({ min: 65, max: 9000 });
  fc.assert(
    fc.property(
      size,
      fc.integer({ min: 64, max: 9100 }),
      fc.option(fc.integer({ min: 64, max: 9100 }), { nil: undefined }),
      fc.option(size, { nil: undefined }),
      (wanted, limit, earlier, deviceMtu) => {
        const { largestBytes } = searchOver(beginSearch(wanted, 64, earlier), limit, deviceMtu);
        assert.equal(largestBytes, Math.min(wanted, limit, deviceMtu ?? wanted));
      },
    ),
  );
});
