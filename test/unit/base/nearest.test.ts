import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nearest } from '../../../src/base/nearest.ts';

const keys = ['Network', 'SubnetLen', 'SubnetMin', 'SubnetMax', 'Backend'];

test('the nearest known word is found, or none when nothing is near', () => {
  const cases: ReadonlyArray<readonly [string, string | undefined]> = [
    ['SubnetLength', 'SubnetLen'],
    ['Networks', 'Network'],
    ['netwrok', 'Network'],
    ['SUBNETMIN', 'SubnetMin'],
    ['BackendType', 'Backend'],
    ['SubnetM__', 'SubnetMin'],
    ['Zebra', undefined],
    ['', undefined],
    ['x', undefined],
  ];
  for (const [word, expected] of cases) assert.equal(nearest(word, keys), expected, word);
  assert.equal(nearest('anything', []), undefined);
});

test('a word with one letter wrong is still recognised, whatever its case', () => {
  fc.assert(
    fc.property(fc.constantFrom(...keys), fc.nat(8), fc.boolean(), (key, at, upper) => {
      const wrong = `${key.slice(0, at)}_${key.slice(at + 1)}`;
      const found = nearest(upper ? wrong.toUpperCase() : wrong, [key, 'entirely different']);
      assert.equal(found, key);
    }),
  );
});

test('no known word is nearer than the one that is named', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
  fc.assert(
    fc.property(word, fc.array(word, { maxLength: 5 }), (given, known) => {
      const found = nearest(given, known);
      const best = Math.min(...known.map(candidate => slowDistance(given, candidate)));
      const near = best <= Math.max(1, Math.ceil(given.length / 3));
      if (found === undefined) assert.ok(!near);
      else assert.equal(slowDistance(given, found), best);
    }),
  );
});

/** Levenshtein's distance by its definition. */
function slowDistance(one: string, other: string): number {
  if (one === '' || other === '') return one.length + other.length;
  if (one[0] === other[0]) return slowDistance(one.slice(1), other.slice(1));
  return (
    1 +
    Math.min(
      slowDistance(one.slice(1), other),
      slowDistance(one, other.slice(1)),
      slowDistance(one.slice(1), other.slice(1)),
    )
  );
}
