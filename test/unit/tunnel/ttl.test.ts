import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { decrementTtl } from '../../../src/tunnel/ttl.ts';
import { decodeIpv4, encodeIpv4 } from '../../../src/wire/ipv4.ts';
import { encodeIpv6 } from '../../../src/wire/ipv6.ts';
import { ip4, ip6, payload, u8, u16 } from '../wire/arbitrary.ts';
import { arenas, place } from './arenas.ts';

const offset = 101;

function afterDecrement(packet: Uint8Array): { lives: boolean; bytes: Uint8Array }[] {
  return arenas.map(arena => {
    place(arena, offset, packet);
    const lives = decrementTtl(arena, offset);
    return { lives, bytes: arena.bytes.slice(offset, offset + packet.length) };
  });
}

const options = fc
  .integer({ min: 0, max: 10 })
  .chain(n => fc.uint8Array({ minLength: n * 4, maxLength: n * 4 }));
const spec4 = fc.record({
  source: ip4,
  destination: ip4,
  protocol: u8,
  trafficClass: u8,
  identification: u16,
  options,
});
const spec6 = fc.record({ source: ip6, destination: ip6, protocol: u8, trafficClass: u8 });

test('IPv4: the packet is what it would be if it had been sent with one less, checksum and all', () => {
  fc.assert(
    fc.property(spec4, payload, fc.integer({ min: 2, max: 255 }), (spec, rest, ttl) => {
      const expected = encodeIpv4({ ...spec, ttl: ttl - 1 }, rest);
      for (const { lives, bytes } of afterDecrement(encodeIpv4({ ...spec, ttl }, rest))) {
        assert.equal(lives, true);
        assert.deepEqual(bytes, expected);
      }
    }),
  );
});

test('IPv6: the hop limit is one less, and nothing else is changed', () => {
  fc.assert(
    fc.property(spec6, payload, fc.integer({ min: 2, max: 255 }), (spec, rest, hopLimit) => {
      const expected = encodeIpv6({ ...spec, hopLimit: hopLimit - 1 }, rest);
      for (const { lives, bytes } of afterDecrement(encodeIpv6({ ...spec, hopLimit }, rest))) {
        assert.equal(lives, true);
        assert.deepEqual(bytes, expected);
      }
    }),
  );
});

test('at 0 and 1 the packet has come to its end, and is left as it was', () => {
  fc.assert(
    fc.property(spec4, spec6, payload, fc.constantFrom(0, 1), (four, six, rest, ttl) => {
      for (const packet of [
        encodeIpv4({ ...four, ttl }, rest),
        encodeIpv6({ ...six, hopLimit: ttl }, rest),
      ]) {
        for (const { lives, bytes } of afterDecrement(packet)) {
          assert.equal(lives, false);
          assert.deepEqual(bytes, packet);
        }
      }
    }),
  );
});

test('every checksum a header can have is carried on rightly, in either form of zero', () => {
  const header = { source: parseIp('1.2.3.4'), destination: parseIp('5.6.7.8'), protocol: 17, ttl: 64 };
  for (let identification = 0; identification <= 0xffff; identification++) {
    const [arena] = arenas;
    assert.ok(arena !== undefined);
    place(arena, offset, encodeIpv4({ ...header, identification }, new Uint8Array()));
    // A checksum of 0 may as well be written as 0xffff (RFC 1624 section 3).
    if (arena.view.getUint16(offset + 10) === 0) arena.view.setUint16(offset + 10, 0xffff);
    assert.equal(decrementTtl(arena, offset), true);
    const { header: after } = decodeIpv4(arena.bytes.subarray(offset, offset + 20));
    assert.deepEqual([after.checksum, after.ttl, after.identification], ['right', 63, identification]);
  }
});
