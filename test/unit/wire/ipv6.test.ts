import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { decodeIpv6, encodeIpv6, type Ipv6Extension } from '../../../src/wire/ipv6.ts';
import { ip6, payload, u8 } from './arbitrary.ts';
import { hex, toHex, utf8 } from './hex.ts';

const source = parseIp('2001:db8::1');
const destination = parseIp('2001:db8::2');
const addresses = hex('20010db8000000000000000000000001', '20010db8000000000000000000000002');

/** Destination options (PadN of 4) in front of an ICMPv6 echo request. */
const withOptions = hex(
  '6001 2345 0013 3c 40',
  toHex(addresses),
  '3a00 010400000000',
  '8000 5fda 0007 0001 616263',
);

test('a header is taken apart field by field, and extension headers are stepped over', () => {
  const { header, payload } = decodeIpv6(withOptions);
  assert.deepEqual(header, {
    layer: 'ipv6',
    source,
    destination,
    protocol: 58,
    hopLimit: 64,
    trafficClass: 0,
    flowLabel: 0x12345,
    extensions: [{ protocol: 60, body: hex('00 010400000000') }],
    fragment: undefined,
  });
  assert.deepEqual(payload, hex('8000 5fda 0007 0001 616263'));
  assert.deepEqual(encodeIpv6(header, payload), withOptions);
});

test('a fragment header is read, and behind a later fragment nothing is taken for a header', () => {
  // Next header 0 (hop-by-hop) would be followed if this were the first fragment.
  const later = hex('6000 0000 0010 2c 40', toHex(addresses), '0000 0559 deadbeef', '3a00 000000000000');
  const { header, payload } = decodeIpv6(later);
  assert.deepEqual(header.fragment, { identification: 0xdeadbeef, offsetBytes: 0x558, moreFragments: true });
  assert.equal(header.protocol, 0);
  assert.equal(payload.length, 8);
});

test('an authentication header counts its length in other units', () => {
  // RFC 4302: payload length 4 means 24 bytes.
  const ah = { protocol: 51, body: Uint8Array.from([4, ...new Array<number>(22).fill(7)]) };
  const packet = encodeIpv6({ source, destination, protocol: 17, extensions: [ah] }, utf8('hi'));
  assert.deepEqual(decodeIpv6(packet).header.extensions, [ah]);
  assert.deepEqual(decodeIpv6(packet).payload, utf8('hi'));
});

test('what cannot be a packet is malformed, and the message says why', () => {
  const hop = hex('00 00 010400000000');
  const chain = (count: number) =>
    hex(
      '6000 0000',
      (count * 8).toString(16).padStart(4, '0'),
      '00 40',
      toHex(addresses),
      toHex(hop).repeat(count),
    );
  const cases: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
    [new Uint8Array(39), /an IPv6 header takes 40 bytes, got 39/],
    [withOptions.with(0, 0x45), /expected IP version 6, got 4/],
    [withOptions.subarray(0, withOptions.length - 1), /this IPv6 packet takes 59 bytes, got 58/],
    [withOptions.with(41, 9), /this IPv6 extension header 60 takes 80 bytes, got 19/],
    // The last of them promises one more.
    [chain(3), /IPv6 extension header 0 takes 8 bytes, got 0/],
    [chain(100), /more than 16 IPv6 extension headers/],
  ];
  for (const [bytes, message] of cases)
    assert.throws(() => decodeIpv6(bytes), { code: 'packet-malformed', message });
});

test('what no header can hold is not encoded', () => {
  const spec = { source, destination, protocol: 17 };
  const wrong: readonly Ipv6Extension[][] = [
    [{ protocol: 0, body: new Uint8Array() }],
    [{ protocol: 0, body: new Uint8Array(6) }],
    [{ protocol: 17, body: new Uint8Array(7) }],
    [{ protocol: 60, body: new Uint8Array(7).fill(1, 0, 1) }],
  ];
  for (const extensions of wrong) {
    assert.throws(() => encodeIpv6({ ...spec, extensions }, utf8('hi')), { code: 'packet-malformed' });
  }
  assert.throws(() => encodeIpv6(spec, new Uint8Array(65536)), { code: 'packet-malformed' });
  assert.throws(() => encodeIpv6({ ...spec, source: parseIp('1.1.1.1') }, utf8('')), {
    code: 'packet-malformed',
  });
});

test('what is encoded is decoded', () => {
  const extension = fc
    .tuple(
      fc.constantFrom(0, 43, 60),
      fc.integer({ min: 0, max: 2 }),
      fc.uint8Array({ minLength: 24, maxLength: 24 }),
    )
    .map(([protocol, units, bytes]) => ({
      protocol,
      body: Uint8Array.from([units, ...bytes.subarray(0, units * 8 + 6)]),
    }));
  const spec = fc.record({
    source: ip6,
    destination: ip6,
    protocol: u8.filter(protocol => ![0, 43, 44, 51, 60].includes(protocol)),
    hopLimit: u8,
    trafficClass: u8,
    flowLabel: fc.integer({ min: 0, max: 0xfffff }),
    extensions: fc.array(extension, { maxLength: 5 }),
  });
  fc.assert(
    fc.property(spec, payload, (header, rest) => {
      assert.deepEqual(decodeIpv6(encodeIpv6(header, rest)), {
        header: { layer: 'ipv6', ...header, fragment: undefined },
        payload: rest,
      });
    }),
  );
});
