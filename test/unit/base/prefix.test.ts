import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressBits, familyOf, ipToBigInt, parseIp } from '../../../src/base/ip.ts';
import {
  everything,
  hostPrefix,
  parsePrefix,
  prefixBase,
  prefixContains,
  prefixCovers,
  prefixesOverlap,
  prefixFamily,
  prefixLast,
  prefixLength,
  prefixOf,
  prefixSize,
  tryParsePrefix,
} from '../../../src/base/prefix.ts';
import { ip, prefix } from './arbitraries.ts';

test('a prefix is canonical: host bits are masked off', () => {
  const cases = [
    ['10.2.14.77/24', '10.2.14.0/24'],
    ['10.2.255.255/17', '10.2.128.0/17'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['1.2.3.4/32', '1.2.3.4/32'],
    ['FD00:0::1/64', 'fd00::/64'],
    ['fd00:12:13:ff::/57', 'fd00:12:13:80::/57'],
    ['::ffff:10.1.2.3/104', '::ffff:10.0.0.0/104'],
    ['::1/128', '::1/128'],
  ] as const;
  for (const [text, expected] of cases) assert.equal(parsePrefix(text), expected);
});

test('what is not a prefix is refused, and the error quotes it', () => {
  const refused = [
    '',
    '/',
    '10.2.0.0',
    '10.2.0.0/',
    '/16',
    '10.2.0.0/33',
    '10.2.0.0/-1',
    '10.2.0.0/ 8',
    '10.2.0.0/016',
    '10.2.0.0/16/8',
    '10.2.0.0/16\n',
    '10.2.0/16',
    '10.2.0.0/255.255.0.0',
    '::/129',
    'fd00::/1e1',
  ];
  for (const text of refused) {
    assert.equal(tryParsePrefix(text), undefined, text);
    assert.throws(() => parsePrefix(text), {
      code: 'prefix-invalid',
      message: `expected a prefix such as 10.2.0.0/16, got ${JSON.stringify(text)}`,
    });
  }
});

test('a length that does not fit the family is refused', () => {
  for (const [address, length] of [
    ['10.0.0.0', 33],
    ['::', 129],
    ['10.0.0.0', -1],
    ['10.0.0.0', 1.5],
    ['10.0.0.0', Number.NaN],
  ] as const) {
    assert.throws(() => prefixOf(parseIp(address), length), { code: 'prefix-invalid' });
  }
});

test('base, last and size agree with plain arithmetic', () => {
  fc.assert(
    fc.property(prefix, one => {
      const base = ipToBigInt(prefixBase(one));
      const size = 2n ** BigInt(addressBits[prefixFamily(one)] - prefixLength(one));
      assert.equal(base % size, 0n);
      assert.equal(prefixSize(one), size);
      assert.equal(ipToBigInt(prefixLast(one)), base + size - 1n);
      assert.equal(parsePrefix(one), one);
    }),
  );
});

test('containing is lying between the first and the last address', () => {
  fc.assert(
    fc.property(prefix, ip, (one, address) => {
      const number = ipToBigInt(address);
      const inside =
        familyOf(address) === prefixFamily(one) &&
        ipToBigInt(prefixBase(one)) <= number &&
        number <= ipToBigInt(prefixLast(one));
      assert.equal(prefixContains(one, address), inside);
      assert.ok(prefixContains(prefixOf(address, prefixLength(one) % 33), address));
    }),
  );
});

test('covering and overlapping follow from the first and the last addresses', () => {
  const related = fc
    .tuple(prefix, fc.nat(128))
    .map(([one, length]) => [
      one,
      prefixOf(prefixBase(one), Math.min(length, addressBits[prefixFamily(one)])),
    ]);
  fc.assert(
    fc.property(
      fc.oneof(fc.tuple(prefix, prefix), related),
      ([one = everything[4], other = everything[4]]) => {
        const same = prefixFamily(one) === prefixFamily(other);
        const [from, to] = [ipToBigInt(prefixBase(one)), ipToBigInt(prefixLast(one))];
        const [otherFrom, otherTo] = [ipToBigInt(prefixBase(other)), ipToBigInt(prefixLast(other))];
        assert.equal(prefixCovers(one, other), same && from <= otherFrom && otherTo <= to);
        assert.equal(prefixesOverlap(one, other), same && from <= otherTo && otherFrom <= to);
        assert.equal(prefixesOverlap(one, other), prefixesOverlap(other, one));
      },
    ),
  );
});

test('a host prefix holds its address alone, and everything holds all of its family', () => {
  fc.assert(
    fc.property(ip, address => {
      const host = hostPrefix(address);
      assert.equal(prefixSize(host), 1n);
      assert.equal(prefixBase(host), address);
      assert.equal(prefixLast(host), address);
      assert.ok(prefixCovers(everything[familyOf(address)], host));
      assert.ok(!prefixCovers(everything[familyOf(address) === 4 ? 6 : 4], host));
    }),
  );
});
