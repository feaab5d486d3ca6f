import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isMulticastMac,
  macFromBytes,
  macFromRandom,
  macToBytes,
  parseMac,
  zeroMac,
} from '../../../src/base/mac.ts';

const sixBytes = fc.uint8Array({ minLength: 6, maxLength: 6 });

test('a MAC is read in the three usual forms and written in one', () => {
  for (const text of ['0A:1b:2C:3d:4e:5F', '0a-1b-2c-3d-4e-5f', '0a1b.2c3d.4E5F']) {
    assert.equal(parseMac(text), '0a:1b:2c:3d:4e:5f');
  }
  assert.equal(parseMac('00:00:00:00:00:00'), zeroMac);
});

test('what is not a 48-bit MAC is refused, and the error quotes it', () => {
  const refused = [
    '',
    '0a:1b:2c:3d:4e',
    '0a:1b:2c:3d:4e:5f:60',
    '0a:1b:2c:3d:4e:5f:60:71',
    '0a:1b-2c:3d-4e:5f',
    '0a1b2c3d4e5f',
    'a:1b:2c:3d:4e:5f',
    '0g:1b:2c:3d:4e:5f',
    '0a:1b:2c:3d:4e:5f\n',
    ' 0a:1b:2c:3d:4e:5f',
    '0a1b.2c3d',
  ];
  for (const text of refused) {
    assert.throws(() => parseMac(text), {
      code: 'mac-invalid',
      message: `expected a MAC such as 0a:1b:2c:3d:4e:5f, got ${JSON.stringify(text)}`,
    });
  }
});

test('a MAC survives text and bytes', () => {
  fc.assert(
    fc.property(sixBytes, bytes => {
      const mac = macFromBytes(bytes);
      assert.deepEqual(macToBytes(mac), bytes);
      assert.equal(parseMac(mac), mac);
      assert.equal(parseMac(mac.toUpperCase().replaceAll(':', '-')), mac);
    }),
  );
  assert.throws(() => macFromBytes(new Uint8Array(8)), { code: 'mac-invalid' });
});

test('a random MAC is locally administered and unicast, keeps the other bits, and leaves its bytes alone', () => {
  fc.assert(
    fc.property(sixBytes, bytes => {
      const given = Buffer.from(bytes);
      const mac = macFromRandom(given);
      const [first = 0, ...rest] = macToBytes(mac);
      assert.equal(first & 0b11, 0b10);
      assert.equal(first & 0b1111_1100, (bytes[0] ?? 0) & 0b1111_1100);
      assert.deepEqual(rest, [...bytes.subarray(1)]);
      assert.ok(!isMulticastMac(mac));
      assert.deepEqual([...given], [...bytes]);
    }),
  );
});

test('group addresses are those whose first byte is odd', () => {
  assert.ok(isMulticastMac(parseMac('01:00:5e:00:00:01')));
  assert.ok(isMulticastMac(parseMac('33:33:00:00:00:01')));
  assert.ok(isMulticastMac(parseMac('ff:ff:ff:ff:ff:ff')));
  assert.ok(!isMulticastMac(parseMac('0a:1b:2c:3d:4e:5f')));
});
