import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Family } from '../../../src/base/ip.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { decodeIcmp, encodeIcmp, type IcmpMessage } from '../../../src/wire/icmp.ts';
import { ends, payload, u8, u16, u32 } from './arbitrary.ts';
import { hex } from './hex.ts';

const six = { source: parseIp('2001:db8::1'), destination: parseIp('2001:db8::2') };

test('echo and errors of both families are told in the same words', () => {
  const cases: ReadonlyArray<readonly [Family, string, IcmpMessage]> = [
    [4, '08 00 0000 1234 0001', { kind: 'echo-request', identifier: 0x1234, sequence: 1 }],
    [4, '00 00 0000 ffff ffff', { kind: 'echo-reply', identifier: 0xffff, sequence: 0xffff }],
    [6, '80 00 0000 0007 0001', { kind: 'echo-request', identifier: 7, sequence: 1 }],
    [6, '81 00 0000 0007 0001', { kind: 'echo-reply', identifier: 7, sequence: 1 }],
    [4, '03 01 0000 00000000', { kind: 'unreachable', code: 1 }],
    [4, '03 04 0000 0000 05aa', { kind: 'too-big', mtuBytes: 1450 }],
    [6, '01 03 0000 00000000', { kind: 'unreachable', code: 3 }],
    [6, '02 00 0000 00010000', { kind: 'too-big', mtuBytes: 65536 }],
    [4, '0b 00 0000 00000000', { kind: 'time-exceeded', code: 0 }],
    [6, '03 01 0000 00000000', { kind: 'time-exceeded', code: 1 }],
    [4, '0c 00 0000 14000000', { kind: 'parameter-problem', code: 0, pointer: 20 }],
    [6, '04 01 0000 00000028', { kind: 'parameter-problem', code: 1, pointer: 40 }],
    [4, '05 01 0000 c0000201', { kind: 'other', type: 5, code: 1, rest: 0xc0000201 }],
    [6, '87 00 0000 00000000', { kind: 'other', type: 135, code: 0, rest: 0 }],
  ];
  for (const [family, bytes, message] of cases) {
    assert.deepEqual(decodeIcmp(hex(bytes), family).header.message, message, bytes);
    const encoded = encodeIcmp(message, family, hex(''));
    assert.deepEqual(encoded.with(2, 0).with(3, 0), hex(bytes), bytes);
  }
});

test('ICMP sums its bytes, ICMPv6 the addresses as well', () => {
  assert.equal(decodeIcmp(hex('0304 b251 0000 05aa 4500'), 4).header.checksum, 'right');
  assert.equal(decodeIcmp(hex('0304 b250 0000 05aa 4500'), 4).header.checksum, 'wrong');
  const echo = hex('8000 5fda 0007 0001 616263');
  assert.equal(decodeIcmp(echo, 6, six).header.checksum, 'right');
  assert.equal(decodeIcmp(echo, 6).header.checksum, 'unknown');
  assert.equal(decodeIcmp(echo, 6, { ...six, source: parseIp('::1') }).header.checksum, 'wrong');
});

const record = <T extends object>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
  fc.record(fields, { noNullPrototype: true });

test('what is encoded is decoded, with the right checksum', () => {
  const echo = record({
    kind: fc.constantFrom('echo-request' as const, 'echo-reply' as const),
    identifier: u16,
    sequence: u16,
  });
  const timeExceeded = record({ kind: fc.constant('time-exceeded' as const), code: u8 });
  const tooBig = record({ kind: fc.constant('too-big' as const), mtuBytes: u16 });
  const problem = record({ kind: fc.constant('parameter-problem' as const), code: u8, pointer: u8 });
  const other = record({
    kind: fc.constant('other' as const),
    type: fc.constant(200),
    code: u8,
    rest: u32,
  });
  fc.assert(
    fc.property(
      fc.oneof(echo, timeExceeded, tooBig, problem, other),
      payload,
      ends,
      (message, rest, addresses) => {
        const family = addresses.source.includes(':') ? 6 : 4;
        assert.deepEqual(decodeIcmp(encodeIcmp(message, family, rest, addresses), family, addresses), {
          header: { layer: 'icmp', family, message, checksum: 'right' },
          payload: rest,
        });
      },
    ),
  );
});

test('fewer than eight bytes are malformed', () => {
  assert.throws(() => decodeIcmp(new Uint8Array(7), 4), {
    code: 'packet-malformed',
    message: /takes 8 bytes, got 7/,
  });
});
