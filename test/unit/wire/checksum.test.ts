import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { internetChecksum, pseudoHeaderSum } from '../../../src/wire/checksum.ts';
import { hex } from './hex.ts';

test('the checksum is that of the worked example in RFC 1071 section 3, and of the borders', () => {
  const cases: ReadonlyArray<readonly [string, number]> = [
    ['0001 f203 f4f5 f6f7', 0x220d],
    ['', 0xffff],
    ['ffff', 0x0000],
    ['0000', 0xffff],
    // An odd byte is the upper half of a word.
    ['01', 0xfeff],
    ['ffff 0001', 0xfffe],
  ];
  for (const [bytes, expected] of cases) assert.equal(internetChecksum(hex(bytes)), expected, bytes);
});

/** Section 4.1 of RFC 1071, word by word with the carry folded at once. */
function slowChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum = (sum % 0x10000) + 1;
  }
  return 0xffff - sum;
}

test('the checksum equals the slow one, and bytes that hold their own checksum sum to zero', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), bytes => {
      const checksum = internetChecksum(bytes);
      assert.equal(checksum, slowChecksum(bytes));
      const even = bytes.subarray(0, bytes.length & ~1);
      const own = internetChecksum(even);
      assert.equal(internetChecksum(Uint8Array.from([...even, own >>> 8, own & 0xff])), 0);
    }),
  );
});

test('sixty-four kilobytes of ones do not overflow the sum', () => {
  assert.equal(internetChecksum(new Uint8Array(65536).fill(0xff)), 0);
  assert.equal(internetChecksum(new Uint8Array(65536).fill(0xff), 0xffff_ffff), 0);
});

test('a pseudo header counts addresses, protocol and length of either family', () => {
  const four = { source: parseIp('1.2.3.4'), destination: parseIp('5.6.7.8') };
  assert.equal(pseudoHeaderSum(four, 17, 8), 0x0102 + 0x0304 + 0x0506 + 0x0708 + 17 + 8);
  const six = { source: parseIp('::1'), destination: parseIp('2001:db8::2') };
  assert.equal(pseudoHeaderSum(six, 58, 0x12345), 1 + 0x2001 + 0xdb8 + 2 + 58 + 1 + 0x2345);
});
