import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipFromBigInt } from '../../../src/base/ip.ts';
import { type Prefix, prefixesOverlap, prefixOf } from '../../../src/base/prefix.ts';
import { PrefixClaims } from '../../../src/lease/prefix-claims.ts';

/** Close together, so that many overlap. */
const prefix = fc
  .record({ family: fc.constantFrom(4 as const, 6 as const), offset: fc.nat(255), length: fc.nat(9) })
  .map(({ family, offset, length }) => {
    const bits = family === 4 ? 32 : 128;
    return prefixOf(ipFromBigInt(BigInt(offset), family), length === 9 ? 0 : bits - length);
  });

test('whoever holds a part of a prefix is found, as by looking at every claim', () => {
  const step = fc.record({ prefix, release: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(prefix), (steps, asked) => {
      const claims = new PrefixClaims();
      const slow = new Set<Prefix>();
      const holders = (one: Prefix) => [...slow].filter(held => prefixesOverlap(held, one));
      for (const { prefix: one, release } of steps) {
        if (release) {
          claims.release(one);
          slow.delete(one);
        } else if (holders(one).length > 0) {
          assert.throws(() => claims.claim(one, one), RangeError);
        } else {
          claims.claim(one, one);
          slow.add(one);
        }
      }
      for (const one of [...asked, ...slow]) {
        const holder = claims.holderOf(one);
        const expected = holders(one);
        assert.ok(expected.length === 0 ? holder === undefined : expected.includes(holder as Prefix));
      }
    }),
  );
});
