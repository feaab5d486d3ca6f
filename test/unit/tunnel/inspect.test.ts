import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { type DropReason, drop } from '../../../src/tunnel/drop-reasons.ts';
import { inspect } from '../../../src/tunnel/inspect.ts';
import { decodeIpv4, encodeIpv4, type Ipv4Spec } from '../../../src/wire/ipv4.ts';
import { decodeIpv6, encodeIpv6 } from '../../../src/wire/ipv6.ts';
import { ip4, ip6, payload, u8, u16 } from '../wire/arbitrary.ts';
import { arenas, place } from './arenas.ts';

const offset = 103;
const four = { source: parseIp('10.2.14.7'), destination: parseIp('10.2.15.9'), protocol: 17 };
const six = { source: parseIp('fd00::1'), destination: parseIp('fd00:1::2'), protocol: 17 };

/** What both arenas say, which is the same. */
function verdict(bytes: Uint8Array): number {
  const [one, other] = arenas.map(arena => {
    place(arena, offset, bytes);
    return inspect(arena, offset, bytes.length);
  });
  assert.equal(one, other);
  return one ?? Number.NaN;
}

const bytes = (count: number): Uint8Array => new Uint8Array(count).fill(7);
const packet4 = (spec: Partial<Ipv4Spec> = {}, count = 30): Uint8Array =>
  encodeIpv4({ ...four, ...spec }, bytes(count));
const packet6 = (count = 30): Uint8Array => encodeIpv6(six, bytes(count));
const longer = (packet: Uint8Array): Uint8Array => Uint8Array.from([...packet, 0]);

test('what is no packet is told by its reason', () => {
  const cases: ReadonlyArray<readonly [string, Uint8Array, DropReason]> = [
    ['IPv4', packet4(), 'none'],
    ['IPv4 without payload', packet4({}, 0), 'none'],
    ['IPv4 with all the options there can be', packet4({ options: bytes(40) }), 'none'],
    ['the longest IPv4 packet', packet4({}, 65_515), 'none'],
    ['IPv6', packet6(), 'none'],
    ['IPv6 without payload', packet6(0), 'none'],
    ['the longest IPv6 packet', packet6(65_535), 'none'],
    ['the last fragment of the longest packet', packet4({ fragmentOffsetBytes: 65_512 }, 23), 'none'],
    ['nothing', bytes(0), 'truncated'],
    ['less than a header', packet4().subarray(0, 19), 'truncated'],
    ['less than an IPv6 header', packet6().subarray(0, 39), 'truncated'],
    ['IPv4 cut short', packet4().subarray(0, 49), 'truncated'],
    ['IPv6 cut short', packet6().subarray(0, 69), 'truncated'],
    ['IPv4 with something behind it', longer(packet4()), 'trailing-bytes'],
    ['IPv6 with something behind it', longer(packet6()), 'trailing-bytes'],
    ['a jumbogram', packet6().with(4, 0).with(5, 0).with(6, 0), 'trailing-bytes'],
    ['version 5', packet4().with(0, 0x55), 'not-ip'],
    ['zeros', new Uint8Array(100), 'not-ip'],
    ['ARP', Uint8Array.from([0, 1, 8, 0, 6, 4, 0, 1, ...bytes(20)]), 'not-ip'],
    ['a header of 16 bytes', packet4().with(0, 0x44), 'header-length'],
    ['a header longer than the packet', packet4({}, 0).with(0, 0x46), 'header-length'],
    ['a packet shorter than its header', packet4().with(2, 0).with(3, 19), 'header-length'],
    ['a wrong checksum', packet4().with(10, 1), 'header-checksum'],
    ['another TTL than was summed', packet4().with(8, 63), 'header-checksum'],
    [
      'a fragment that ends beyond the longest packet',
      packet4({ fragmentOffsetBytes: 65_512 }, 24),
      'fragment-overflow',
    ],
  ];
  for (const [name, packet, reason] of cases) assert.equal(verdict(packet), drop[reason], name);
});

/** The same question asked of the codecs, which throw for all that is too short. */
function oracle(packet: Uint8Array): boolean {
  try {
    if ((packet[0] ?? 0) >>> 4 === 6) {
      // 59, no next header: what follows is nobody's business here.
      const { payload } = decodeIpv6(packet.length > 6 ? packet.with(6, 59) : packet);
      return payload.length + 40 === packet.length;
    }
    const { header, payload } = decodeIpv4(packet);
    const isWhole = 20 + header.options.length + payload.length === packet.length;
    return isWhole && header.checksum === 'right' && header.fragmentOffsetBytes + payload.length <= 0xffff;
  } catch (error) {
    assert.ok(hasCode(error, 'packet-malformed'));
    return false;
  }
}

test('a packet is well-formed when the codecs read all of it, and only then', () => {
  const options = fc
    .integer({ min: 0, max: 10 })
    .chain(n => fc.uint8Array({ minLength: n * 4, maxLength: n * 4 }));
  const fragmentOffsetBytes = fc.nat(0x1fff).map(units => units * 8);
  const whole = fc.oneof(
    fc
      .record({
        source: ip4,
        destination: ip4,
        protocol: u8,
        identification: u16,
        options,
        fragmentOffsetBytes,
      })
      .chain(spec => payload.map(rest => encodeIpv4(spec, rest))),
    fc
      .record({ source: ip6, destination: ip6, protocol: fc.constant(59) })
      .chain(spec => payload.map(rest => encodeIpv6(spec, rest))),
    fc.uint8Array({ maxLength: 80 }),
  );
  const damage = fc.array(fc.tuple(fc.nat(41), u8), { maxLength: 2 });
  fc.assert(
    fc.property(whole, damage, fc.integer({ min: -2, max: 2 }), (packet, changes, extra) => {
      const longer = new Uint8Array(Math.max(0, packet.length + extra));
      longer.set(packet.subarray(0, longer.length));
      for (const [at, byte] of changes) if (at < longer.length) longer[at] = byte;
      for (const candidate of [packet, longer])
        assert.equal(verdict(candidate) === drop.none, oracle(candidate));
    }),
    { numRuns: 2000 },
  );
});
