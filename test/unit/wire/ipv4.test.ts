import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { decodeIpv4, encodeIpv4, type Ipv4Spec } from '../../../src/wire/ipv4.ts';
import { ip4, payload, u8, u16 } from './arbitrary.ts';
import { hex, utf8 } from './hex.ts';

/** An IGMP report as RFC 3376 wants it sent: with the router alert option (RFC 2113), TTL 1, TOS 0xc0. */
const withOption = hex('46c0 0018 0000 0000 0102 8208', 'c0000201', 'e0000016', '94040000');

test('a header is taken apart field by field, options and all', () => {
  const { header, payload } = decodeIpv4(withOption);
  assert.deepEqual(header, {
    layer: 'ipv4',
    source: parseIp('192.0.2.1'),
    destination: parseIp('224.0.0.22'),
    protocol: 2,
    ttl: 1,
    trafficClass: 0xc0,
    identification: 0,
    dontFragment: false,
    moreFragments: false,
    fragmentOffsetBytes: 0,
    options: hex('94040000'),
    checksum: 'right',
  });
  assert.equal(payload.length, 0);
  assert.deepEqual(encodeIpv4(header, payload), withOption);
});

test('padding behind the packet is not payload: Ethernet frames have at least 60 bytes', () => {
  const padded = new Uint8Array(46);
  padded.set(
    encodeIpv4({ source: parseIp('1.1.1.1'), destination: parseIp('2.2.2.2'), protocol: 17 }, utf8('hi')),
  );
  assert.deepEqual(decodeIpv4(padded).payload, utf8('hi'));
});

test('every changed bit of the header is told by the checksum', () => {
  for (let bit = 0; bit < withOption.length * 8; bit++) {
    const bytes = withOption.slice();
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    try {
      assert.equal(decodeIpv4(bytes).header.checksum, 'wrong', `bit ${bit}`);
    } catch (error) {
      // Version, header length and total length are looked at first.
      assert.equal((error as { code?: string }).code, 'packet-malformed', `bit ${bit}`);
      assert.ok(bit < 8 || (bit >= 16 && bit < 32), `bit ${bit}`);
    }
  }
});

test('what cannot be a packet is malformed, and the message says why', () => {
  const good = [
    ...encodeIpv4({ source: parseIp('1.1.1.1'), destination: parseIp('2.2.2.2'), protocol: 17 }, utf8('hi')),
  ];
  const withBytes = (at: number, ...bytes: number[]) =>
    Uint8Array.from(good.toSpliced(at, bytes.length, ...bytes));
  const cases: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
    [new Uint8Array(19), /an IPv4 header takes 20 bytes, got 19/],
    [withBytes(0, 0x65), /expected IP version 4, got 6/],
    [withBytes(0, 0x44), /header of 16 bytes/],
    [withBytes(0, 0x46), /header of 24 bytes in a packet of 22/],
    [withBytes(2, 0, 23), /this IPv4 packet takes 23 bytes, got 22/],
  ];
  for (const [bytes, message] of cases)
    assert.throws(() => decodeIpv4(bytes), { code: 'packet-malformed', message });
});

test('what no header can hold is not encoded', () => {
  const spec = { source: parseIp('1.1.1.1'), destination: parseIp('2.2.2.2'), protocol: 17 };
  const cases: ReadonlyArray<readonly [Ipv4Spec, number]> = [
    [{ ...spec, options: new Uint8Array(3) }, 0],
    [{ ...spec, options: new Uint8Array(44) }, 0],
    [{ ...spec, fragmentOffsetBytes: 4 }, 0],
    [{ ...spec, fragmentOffsetBytes: 65536 }, 0],
    [{ ...spec, source: parseIp('::1') }, 0],
    [spec, 65516],
  ];
  for (const [wrong, size] of cases) {
    assert.throws(() => encodeIpv4(wrong, new Uint8Array(size)), { code: 'packet-malformed' });
  }
  assert.equal(encodeIpv4(spec, new Uint8Array(65515)).length, 65535);
});

test('what is encoded is decoded, with the right checksum', () => {
  const spec = fc.record({
    source: ip4,
    destination: ip4,
    protocol: u8,
    ttl: u8,
    trafficClass: u8,
    identification: u16,
    dontFragment: fc.boolean(),
    moreFragments: fc.boolean(),
    fragmentOffsetBytes: fc.integer({ min: 0, max: 8191 }).map(units => units * 8),
    options: fc
      .integer({ min: 0, max: 10 })
      .chain(n => fc.uint8Array({ minLength: n * 4, maxLength: n * 4 })),
  });
  fc.assert(
    fc.property(spec, payload, (header, rest) => {
      assert.deepEqual(decodeIpv4(encodeIpv4(header, rest)), {
        header: { layer: 'ipv4', ...header, checksum: 'right' },
        payload: rest,
      });
    }),
  );
});
