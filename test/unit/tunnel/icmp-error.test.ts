import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IpAddress, ipToBytes, parseIp } from '../../../src/base/ip.ts';
import { type IcmpError, writeIcmpError } from '../../../src/tunnel/icmp-error.ts';
import { inspect } from '../../../src/tunnel/inspect.ts';
import { encodeIcmp, type IcmpMessage } from '../../../src/wire/icmp.ts';
import { encodeIpv4, type Ipv4Spec } from '../../../src/wire/ipv4.ts';
import { encodeIpv6, type Ipv6Spec } from '../../../src/wire/ipv6.ts';
import { ip6, u16 } from '../wire/arbitrary.ts';
import { arenas, place } from './arenas.ts';

const packetAt = 1001;
const errorAt = 90_003;
const ours = { 4: parseIp('10.2.14.0'), 6: parseIp('fd00:14::') };
const four = { source: parseIp('10.2.14.7'), destination: parseIp('10.2.15.9'), protocol: 17 };
const six = { source: parseIp('fd00:14::7'), destination: parseIp('fd00:15::9'), protocol: 17 };

type Kind = IcmpError['kind'];
const kinds = ['net-unreachable', 'time-exceeded', 'fragmentation-needed'] as const;

interface Wish {
  readonly kind: Kind;
  readonly mtuBytes?: number;
  readonly source?: IpAddress;
}

/** The error as both arenas write it; undefined when they write none. */
function errorFor(packet: Uint8Array, { kind, mtuBytes, source }: Wish): Uint8Array | undefined {
  const address = source ?? ours[(packet[0] ?? 0) >>> 4 === 6 ? 6 : 4];
  const [one, other] = arenas.map(arena => {
    place(arena, packetAt, packet);
    arena.bytes.fill(0x55, errorAt - 64, errorAt + 1400);
    const error = { kind, packet: packetAt, length: packet.length, mtuBytes, source: ipToBytes(address) };
    const length = writeIcmpError(arena, error, errorAt);
    const around = [
      arena.bytes.subarray(errorAt - 64, errorAt),
      arena.bytes.subarray(errorAt + length, errorAt + 1400),
    ];
    for (const bytes of around)
      assert.ok(
        bytes.every(byte => byte === 0x55),
        'nothing is written beside it',
      );
    assert.deepEqual(arena.bytes.slice(packetAt, packetAt + packet.length), packet);
    if (length === 0) return undefined;
    assert.equal(inspect(arena, errorAt, length), 0);
    return arena.bytes.slice(errorAt, errorAt + length);
  });
  assert.deepEqual(one, other);
  return one;
}

function messageOf({ kind, mtuBytes }: Wish, family: 4 | 6): IcmpMessage {
  switch (kind) {
    case 'net-unreachable':
      return { kind: 'unreachable', code: 0 };
    case 'time-exceeded':
      return { kind: 'time-exceeded', code: 0 };
    case 'fragmentation-needed':
      return { kind: 'too-big', mtuBytes: mtuBytes ?? (family === 4 ? 0 : 1280) };
  }
}

/** Made by the codecs: quotes what fits 576 or 1280 bytes, with the precedence of RFC 1812 section 4.3.2.5. */
function expected4(packet: Uint8Array, wish: Wish): Uint8Array {
  const header = {
    source: ours[4],
    destination: four.source,
    protocol: 1,
    trafficClass: 0xc0,
    dontFragment: true,
  };
  return encodeIpv4(header, encodeIcmp(messageOf(wish, 4), 4, packet.subarray(0, 576 - 28)));
}

function expected6(packet: Uint8Array, wish: Wish): Uint8Array {
  const header = { source: ours[6], destination: six.source, protocol: 58, trafficClass: 0xc0 };
  return encodeIpv6(header, encodeIcmp(messageOf(wish, 6), 6, packet.subarray(0, 1280 - 48), header));
}

test('an error is what the codecs make of the same, byte for byte, for packets of every length', () => {
  const lengths = [0, 1, 7, 8, 9, 99, 519, 520, 527, 528, 529, 1191, 1192, 1193, 1480, 65_515];
  for (const length of lengths) {
    const rest = Uint8Array.from({ length }, (_, at) => at * 31);
    for (const wish of [...kinds.map(kind => ({ kind })), { kind: kinds[2], mtuBytes: 1472 }]) {
      const packet4 = encodeIpv4({ ...four, options: new Uint8Array(8) }, rest.subarray(0, 65_507));
      assert.deepEqual(errorFor(packet4, wish), expected4(packet4, wish), `${length}, ${wish.kind}`);
      const packet6 = encodeIpv6(six, rest);
      assert.deepEqual(errorFor(packet6, wish), expected6(packet6, wish), `${length}, ${wish.kind}`);
    }
  }
});

test('an MTU that IPv4 cannot write is told as the largest it can', () => {
  const packet = encodeIpv4(four, new Uint8Array(100));
  const told = errorFor(packet, { kind: 'fragmentation-needed', mtuBytes: 70_000 });
  assert.deepEqual(told, expected4(packet, { kind: 'fragmentation-needed', mtuBytes: 65_535 }));
});

test('the error may be written over the packet that it quotes', () => {
  for (const [packet, family] of [
    [
      encodeIpv4(
        four,
        Uint8Array.from({ length: 700 }, (_, at) => at),
      ),
      4,
    ],
    [
      encodeIpv6(
        six,
        Uint8Array.from({ length: 1400 }, (_, at) => at),
      ),
      6,
    ],
  ] as const) {
    const wish = { kind: 'time-exceeded' } as const;
    const expected = family === 4 ? expected4(packet, wish) : expected6(packet, wish);
    for (const distance of [0, -48, -28, -7, 5, 20, 48, 300]) {
      for (const arena of arenas) {
        place(arena, packetAt, packet);
        const error = { ...wish, packet: packetAt, length: packet.length, source: ipToBytes(ours[family]) };
        const to = packetAt + distance;
        assert.equal(writeIcmpError(arena, error, to), expected.length);
        assert.deepEqual(arena.bytes.slice(to, to + expected.length), expected, `${distance}`);
      }
    }
  }
});

const udp = new Uint8Array(16);
const of4 = (spec: Partial<Ipv4Spec>, rest: Uint8Array = udp): Uint8Array =>
  encodeIpv4({ ...four, ...spec }, rest);
const of6 = (spec: Partial<Ipv6Spec>, rest: Uint8Array = udp): Uint8Array =>
  encodeIpv6({ ...six, ...spec }, rest);
const icmp4 = (type: number): Uint8Array => of4({ protocol: 1 }, udp.with(0, type));
const icmp6 = (type: number): Uint8Array => of6({ protocol: 58 }, udp.with(0, type));
const fragment6 = (next: number, offset: number): Uint8Array =>
  of6({ protocol: 44 }, Uint8Array.of(next, 0, offset >> 8, offset | 1, 0, 0, 0, 1, ...udp));

test('IPv4: nobody is told who must not be (RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7)', () => {
  const from = (source: string): Uint8Array => of4({ source: parseIp(source) });
  const to = (destination: string): Uint8Array => of4({ destination: parseIp(destination) });
  const cases: ReadonlyArray<readonly [string, Uint8Array, boolean]> = [
    ['an echo request', icmp4(8), true],
    ['an echo reply', icmp4(0), true],
    ['a timestamp request', icmp4(13), true],
    ['the first fragment', of4({ moreFragments: true }), true],
    ['TCP', of4({ protocol: 6 }), true],
    ['a bare header', of4({}, new Uint8Array()), true],
    ['to loopback', to('127.0.0.1'), true],
    ['unreachable', icmp4(3), false],
    ['source quench', icmp4(4), false],
    ['redirect', icmp4(5), false],
    ['time exceeded', icmp4(11), false],
    ['parameter problem', icmp4(12), false],
    ['a type that may be an error', icmp4(44), false],
    ['ICMP behind options', of4({ protocol: 1, options: new Uint8Array(4) }, udp.with(0, 11)), false],
    ['an ICMP packet without a type', of4({ protocol: 1 }, new Uint8Array()), false],
    ['a later fragment', of4({ fragmentOffsetBytes: 8 }), false],
    ['the last fragment', of4({ fragmentOffsetBytes: 8184, moreFragments: false }), false],
    ['from nowhere', from('0.0.0.0'), false],
    ['from this network', from('0.1.2.3'), false],
    ['from loopback', from('127.0.0.1'), false],
    ['from multicast', from('224.0.0.1'), false],
    ['from the reserved class', from('240.0.0.1'), false],
    ['from broadcast', from('255.255.255.255'), false],
    ['to multicast', to('239.1.2.3'), false],
    ['to broadcast', to('255.255.255.255'), false],
  ];
  for (const [name, packet, told] of cases)
    for (const kind of kinds)
      assert.equal(errorFor(packet, { kind }) !== undefined, told, `${name}, ${kind}`);
});

test('IPv6: nobody is told who must not be (RFC 4443 section 2.4 e)', () => {
  const from = (source: string): Uint8Array => of6({ source: parseIp(source) });
  const extended = (protocol: number, body: Uint8Array, next: number, type: number): Uint8Array =>
    of6({ protocol: next, extensions: [{ protocol, body }] }, udp.with(0, type));
  const [hop, auth] = [Uint8Array.of(0, 1, 4, 0, 0, 0, 0), Uint8Array.of(4, ...new Uint8Array(22))];
  const cases: ReadonlyArray<readonly [string, Uint8Array, boolean]> = [
    ['an echo request', icmp6(128), true],
    ['neighbour solicitation', icmp6(135), true],
    ['no next header', of6({ protocol: 59 }), true],
    ['a bare header', of6({}, new Uint8Array()), true],
    ['a first fragment', fragment6(17, 0), true],
    ['a later fragment, whose sender must learn the MTU', fragment6(17, 1480), true],
    [
      'a first fragment of an echo request',
      of6({ protocol: 44 }, Uint8Array.of(58, 0, 0, 1, 0, 0, 0, 1, 128, 0)),
      true,
    ],
    ['an echo request behind a hop-by-hop header', extended(0, hop, 58, 128), true],
    ['an echo request behind AH', extended(51, auth, 58, 128), true],
    ['UDP behind a header that does not end', of6({ protocol: 0 }, Uint8Array.of(17, 9, ...udp)), true],
    ['ICMPv6 behind a header that does not end', of6({ protocol: 0 }, Uint8Array.of(58, 9, ...udp)), false],
    ['unreachable', icmp6(1), false],
    ['too big', icmp6(2), false],
    ['the last error there can be', icmp6(127), false],
    ['redirect', icmp6(137), false],
    ['an error behind a hop-by-hop header', extended(0, hop, 58, 3), false],
    ['an error behind destination options', extended(60, hop, 58, 3), false],
    ['an error behind AH', extended(51, auth, 58, 3), false],
    [
      'an error in a first fragment',
      of6({ protocol: 44 }, Uint8Array.of(58, 0, 0, 1, 0, 0, 0, 1, 3, 0)),
      false,
    ],
    ['a later fragment of ICMPv6, perhaps of an error', fragment6(58, 1480), false],
    ['ICMPv6 without a type', of6({ protocol: 58 }, new Uint8Array()), false],
    ['from nowhere', from('::'), false],
    ['from loopback', from('::1'), false],
    ['from multicast', from('ff02::1'), false],
    ['from an address that begins as loopback does', from('::2'), true],
  ];
  for (const [name, packet, told] of cases)
    for (const kind of kinds)
      assert.equal(errorFor(packet, { kind }) !== undefined, told, `${name}, ${kind}`);
});

test('IPv6: of a packet to many only that it was too big is told', () => {
  const packet = of6({ destination: parseIp('ff0e::1') });
  const told = kinds.map(kind => errorFor(packet, { kind }) !== undefined);
  assert.deepEqual(told, [false, false, true]);
});

test('an address of the other family cannot speak', () => {
  assert.equal(errorFor(of4({}), { kind: 'net-unreachable', source: ours[6] }), undefined);
  assert.equal(errorFor(of6({}), { kind: 'net-unreachable', source: ours[4] }), undefined);
});

test('whatever a packet says of itself, the error stays where it belongs', () => {
  const chain = fc.uint8Array({ minLength: 0, maxLength: 120 });
  fc.assert(
    fc.property(
      ip6,
      ip6,
      fc.constantFrom(0, 43, 44, 51, 58, 60, 135),
      chain,
      u16,
      (source, destination, next, rest, mtuBytes) => {
        const packet = encodeIpv6({ source, destination, protocol: 59 }, rest).with(6, next);
        for (const kind of kinds) {
          const error = errorFor(packet, { kind, mtuBytes });
          if (error !== undefined) assert.equal(error.length, Math.min(1280, packet.length + 48));
        }
      },
    ),
    { numRuns: 1000 },
  );
});
