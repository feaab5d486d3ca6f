import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  hostPrefix,
  type Prefix,
  parsePrefix,
  prefixBase,
  prefixesOverlap,
} from '../../../src/base/prefix.ts';
import { specialUseOfAddress, specialUseOfSubnet } from '../../../src/lease/special-prefixes.ts';
import { anyPrefix } from '../base/arbitraries.ts';

/** RFC 6890, as far as it says that no host is there. */
const specials = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'],
  ...['::/127', 'fe80::/10', 'ff00::/8'],
].map(parsePrefix);
const linkLocal = ['169.254.0.0/16', 'fe80::/10'];

const borders = [
  ...[
    '0.255.255.0/24',
    '1.0.0.0/24',
    '126.255.255.0/24',
    '128.0.0.0/24',
    '169.253.255.0/24',
    '169.255.0.0/24',
  ],
  ...['223.255.255.0/24', '239.255.255.0/24', '240.0.0.0/24', '255.255.255.0/24', '255.255.255.254/32'],
  ...['0.0.0.0/0', '::/0', '::2/127', 'fec0::/64', 'fe7f::/64', 'fe00::/7'],
].map(parsePrefix);

test('a subnet and an address are special exactly when they overlap a special prefix', () => {
  fc.assert(
    fc.property(fc.oneof(anyPrefix(4), anyPrefix(6), fc.constantFrom(...borders, ...specials)), prefix => {
      assert.equal(prefixOf(specialUseOfSubnet(prefix)), slowly(specials, prefix));
      const address = prefixBase(prefix);
      const forNoHost = specials.filter(special => !linkLocal.includes(special));
      assert.equal(prefixOf(specialUseOfAddress(address)), slowly(forNoHost, hostPrefix(address)));
    }),
    { numRuns: 2000 },
  );
});

function slowly(among: readonly Prefix[], prefix: Prefix): Prefix | undefined {
  return among.find(special => prefixesOverlap(special, prefix));
}

/** `loopback, 127.0.0.0/8` says which. */
function prefixOf(use: string | undefined): string | undefined {
  return use?.split(', ').at(-1);
}
