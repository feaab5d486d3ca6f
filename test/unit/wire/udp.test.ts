import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { decodeUdp, encodeUdp } from '../../../src/wire/udp.ts';
import { ends, payload, u16 } from './arbitrary.ts';
import { hex, utf8 } from './hex.ts';

const between = { source: parseIp('192.0.2.1'), destination: parseIp('192.0.2.2') };
const datagram = hex('03e8 0035 000b ee4d 686921');

test('a datagram is ports and a checksum that counts the addresses in', () => {
  assert.deepEqual(decodeUdp(datagram, between), {
    header: { layer: 'udp', sourcePort: 1000, destinationPort: 53, checksum: 'right' },
    payload: utf8('hi!'),
  });
  const cases = [
    [datagram, undefined, 'unknown'],
    [datagram, { ...between, source: parseIp('192.0.2.3') }, 'wrong'],
    [datagram.with(6, 0).with(7, 0), between, 'none'],
    [datagram.with(8, 0x69), between, 'wrong'],
  ] as const;
  for (const [bytes, addresses, checksum] of cases) {
    assert.equal(decodeUdp(bytes, addresses).header.checksum, checksum);
  }
});

test('a checksum that comes to zero is sent as ffff, because zero means none', () => {
  const zero = { source: parseIp('0.0.0.0'), destination: parseIp('0.0.0.0') };
  // Protocol 17, length 10 twice, and a payload that fills up the ones' complement of zero.
  const bytes = encodeUdp({ sourcePort: 0, destinationPort: 0 }, hex('ffda'), zero);
  assert.deepEqual(bytes, hex('0000 0000 000a ffff ffda'));
  assert.equal(decodeUdp(bytes, zero).header.checksum, 'right');
});

test('a length that does not fit is malformed', () => {
  const cases: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
    [datagram.subarray(0, 7), /a UDP header takes 8 bytes, got 7/],
    [datagram.with(5, 7), /at least 8 bytes, this one claims 7/],
    [datagram.with(5, 12), /this UDP datagram takes 12 bytes, got 11/],
  ];
  for (const [bytes, message] of cases)
    assert.throws(() => decodeUdp(bytes), { code: 'packet-malformed', message });
  assert.throws(() => encodeUdp({ sourcePort: 1, destinationPort: 2 }, new Uint8Array(65528)), {
    code: 'packet-malformed',
  });
});

test('what is encoded is decoded, with and without a checksum', () => {
  const ports = fc.record({ sourcePort: u16, destinationPort: u16 });
  fc.assert(
    fc.property(ports, payload, ends, (header, rest, addresses) => {
      for (const [given, checksum] of [[addresses, 'right'] as const, [undefined, 'none'] as const]) {
        assert.deepEqual(decodeUdp(encodeUdp(header, rest, given), addresses), {
          header: { layer: 'udp', ...header, checksum },
          payload: rest,
        });
      }
    }),
  );
});
