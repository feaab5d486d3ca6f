import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Prefix, parsePrefix } from '../../../src/base/prefix.ts';
import { formatSubnetKey, parseSubnetKey } from '../../../src/lease/subnet-key.ts';
import { anyPrefix } from '../base/arbitraries.ts';

const subnet = (ipv4?: string, ipv6?: string) => ({
  ipv4: ipv4 === undefined ? undefined : parsePrefix(ipv4),
  ipv6: ipv6 === undefined ? undefined : parsePrefix(ipv6),
});

test('keys are written and read as flannel writes them', () => {
  const cases = [
    ['10.2.14.0-24', subnet('10.2.14.0/24')],
    ['10.12.13.0-24', subnet('10.12.13.0/24')],
    ['10.12.13.0-24&fd00:12:13::-56', subnet('10.12.13.0/24', 'fd00:12:13::/56')],
    ['10.3.0.64-26', subnet('10.3.0.64/26')],
    ['255.255.255.252-30', subnet('255.255.255.252/30')],
    ['10.5.1.0-24&fc00:0:0:1::-64', subnet('10.5.1.0/24', 'fc00:0:0:1::/64')],
    ['10.5.1.0-24&fd00::8-126', subnet('10.5.1.0/24', 'fd00::8/126')],
    ['fd00:12:13::-56', subnet(undefined, 'fd00:12:13::/56')],
  ] as const;
  for (const [key, expected] of cases) {
    assert.deepEqual(parseSubnetKey(key), expected, key);
    assert.equal(formatSubnetKey(expected), key);
  }
});

test('what is no canonical key is no key', () => {
  const foreign = [
    '',
    'test',
    '-',
    '&',
    '10.12.13.0',
    '10.12.13.0-',
    '10.12.13.0/24',
    '10.12.13-24',
    '10.12.13.0-24hi',
    '10.12.13.0-24 ',
    ' 10.12.13.0-24',
    'subnets/10.12.13.0-24',
    '/coreos.com/network/subnets/10.12.13.0-24',
    'hello10.12.13.0-24',
    '10.12.300.0-24',
    '300.12.13.0-24',
    '10.12.013.0-24',
    '10.12.13.0-024',
    '10.12.13.0-+24',
    '10.12.13.0-24.0',
    '10.12.13.0-2e1',
    '10.12.13.0-0x18',
    '10.12.13.1-24',
    '10.12.13.128-24',
    '10.12.13.0-32',
    '10.12.13.0-33',
    '10.12.13.0-99',
    '0.0.0.0-0',
    '10a12b13c0-24',
    '10.12.13.0-24&',
    '10.12.13.0-24&fd00::',
    '10.12.13.0-24&fd00::-',
    '10.12.13.0-24&fd00::1-64',
    '10.12.13.0-24&FD00::-64',
    '10.12.13.0-24&fd00:0::-64',
    '10.12.13.0-24&fd00::-128',
    '10.12.13.0-24&fd00::-0',
    '10.12.13.0-24&::-0',
    '10.12.13.0-24&fd00::-64x',
    '10.12.13.0-24&10.12.14.0-24',
    '10.12.13.0-24&fd00::-64&fd00::-64',
    'fd00::-64&',
    'fd00::-64&fd00::-64',
    '0.0.0.0-0&fd00::-64',
    'fd00::-64&10.12.13.0-24',
    '&fd00::-64',
    '0.0.0.0-0&',
  ];
  for (const key of foreign) assert.equal(parseSubnetKey(key), undefined, key);
});

test('every subnet survives its key', () => {
  const ipv4 = fc.option(anyPrefix(4, { min: 1, max: 31 }), { nil: undefined });
  const ipv6 = fc.option(anyPrefix(6, { min: 1, max: 127 }), { nil: undefined });
  fc.assert(
    fc.property(ipv4, ipv6, (one, other) => {
      fc.pre(one !== undefined || other !== undefined);
      const given = { ipv4: one, ipv6: other };
      assert.deepEqual(parseSubnetKey(formatSubnetKey(given)), given);
    }),
  );
});

test('whatever text is accepted is the canonical key of what it means', () => {
  const characters = fc.constantFrom(...'0123456789abcdef.:-&/'.split(''));
  const near = fc
    .tuple(anyPrefix(4), anyPrefix(6), fc.nat(40), characters)
    .map(([one, other, at, character]) => {
      const key = `${one}&${other}`.replaceAll('/', '-');
      return key.slice(0, at) + character + key.slice(at + 1);
    });
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: characters })), key => {
      const parsed = parseSubnetKey(key);
      if (parsed !== undefined) assert.equal(formatSubnetKey(parsed), key);
    }),
    { numRuns: 2000 },
  );
});

test('a subnet of no family has no key', () => {
  assert.throws(() => formatSubnetKey({ ipv4: undefined, ipv6: undefined }), { code: 'subnet-key-invalid' });
  assert.equal(formatSubnetKey({ ipv4: '10.2.14.0/24' as Prefix, ipv6: undefined }), '10.2.14.0-24');
});
