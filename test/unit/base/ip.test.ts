import assert from 'node:assert/strict';
import { BlockList, isIP, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressBits,
  familyOf,
  ipAdd,
  ipFromBigInt,
  ipFromBytes,
  ipToBigInt,
  ipToBytes,
  isUnspecified,
  parseIp,
  tryParseIp,
  unspecified,
} from '../../../src/base/ip.ts';
import { ip } from './arbitraries.ts';

const canonical: ReadonlyArray<readonly [string, string]> = [
  ['0.0.0.0', '0.0.0.0'],
  ['255.255.255.255', '255.255.255.255'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['0:0:0:0:0:0:0:0', '::'],
  ['FD00:0010::ABCD', 'fd00:10::abcd'],
  ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
  ['::FFFF:a00:1', '::ffff:10.0.0.1'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['::1.2.3.4', '::102:304'],
  ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
];

test('an address has one spelling, that of RFC 5952', () => {
  for (const [text, expected] of canonical) {
    assert.equal(parseIp(text), expected, text);
    assert.equal(parseIp(expected), expected);
  }
});

const refused = [
  '',
  ' ',
  '.',
  ':',
  ':::',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.',
  '1..3.4',
  '01.2.3.4',
  '1.2.3.04',
  '256.1.1.1',
  '1.2.3.4 ',
  ' 1.2.3.4',
  '1.2.3.4\n',
  '1.2.3.-4',
  '+1.2.3.4',
  '0x1.2.3.4',
  '1e1.2.3.4',
  '10.0.0.1/24',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7:8::',
  '1:2:3:4::5:6:7:8',
  ':1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:',
  '12345::',
  'g::',
  'fe80::1%eth0',
  '[::1]',
  '1.2.3.4::',
  '::1.2.3',
  '::1.2.3.4:5',
  '1:2:3:4:5:6:7:1.2.3.4',
  '::1.2.3.256',
];

test('what is not an address is refused, and the error quotes it', () => {
  for (const text of refused) {
    assert.equal(tryParseIp(text), undefined, text);
    assert.throws(() => parseIp(text), {
      code: 'ip-invalid',
      message: `expected an IPv4 or IPv6 address, got ${JSON.stringify(text)}`,
    });
  }
});

test('any text is an address for us exactly when it is one for Node, zones aside', () => {
  const characters = fc.constantFrom(...'0123456789abcdefABCDEF:::...'.split(''));
  const near = fc.string({ unit: characters, maxLength: 40 });
  const broken = fc.tuple(ip, fc.nat(40), characters).map(([text, at, character]) => {
    return text.slice(0, at) + character + text.slice(at + 1);
  });
  fc.assert(
    fc.property(fc.oneof(near, broken, fc.string()), text => {
      fc.pre(!text.includes('%'));
      assert.equal(tryParseIp(text) === undefined, isIP(text) === 0, text);
    }),
    { numRuns: 2000 },
  );
});

test('an address survives text, bytes and number, and Node agrees on which one it is', () => {
  fc.assert(
    fc.property(ip, address => {
      assert.equal(parseIp(address), address);
      assert.equal(parseIp(address.toUpperCase()), address);
      assert.equal(ipFromBytes(ipToBytes(address)), address);
      assert.equal(ipFromBigInt(ipToBigInt(address), familyOf(address)), address);
      const list = new BlockList();
      list.addAddress(uncompressed(ipToBytes(address)), familyOf(address) === 4 ? 'ipv4' : 'ipv6');
      assert.ok(
        list.check(new SocketAddress({ address, family: familyOf(address) === 4 ? 'ipv4' : 'ipv6' })),
      );
    }),
  );
});

function uncompressed(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0'));
  return Array.from({ length: 8 }, (_, group) => `${hex[2 * group]}${hex[2 * group + 1]}`).join(':');
}

test('adding goes forth and back, and stops at the ends of the address space', () => {
  fc.assert(
    fc.property(ip, fc.bigInt({ min: -(2n ** 40n), max: 2n ** 40n }), (address, count) => {
      const sum = ipToBigInt(address) + count;
      const family = familyOf(address);
      if (sum < 0n || sum >= 2n ** BigInt(addressBits[family])) {
        assert.throws(() => ipAdd(address, count), { code: 'ip-invalid' });
      } else {
        assert.equal(ipAdd(ipAdd(address, count), -count), address);
        assert.equal(familyOf(ipAdd(address, count)), family);
      }
    }),
  );
});

test('only 4 or 16 bytes are an address', () => {
  for (const length of [0, 3, 5, 15, 17]) {
    assert.throws(() => ipFromBytes(new Uint8Array(length)), {
      code: 'ip-invalid',
      message: `an address has 4 or 16 bytes, got ${length}`,
    });
  }
});

test('the unspecified addresses are 0.0.0.0 and ::, and only those', () => {
  fc.assert(
    fc.property(ip, address => {
      assert.equal(isUnspecified(address), ipToBigInt(address) === 0n);
    }),
  );
  assert.ok(isUnspecified(unspecified[4]) && isUnspecified(unspecified[6]));
});
