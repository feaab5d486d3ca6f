import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { OverlayDecoder } from '../../../src/capture/overlay-packet.ts';
import { packetDetails } from '../../../src/capture/packet-details.ts';
import { packetLine } from '../../../src/capture/packet-line.ts';
import type { Paint } from '../../../src/capture/styled-line.ts';
import { encodeEthernet } from '../../../src/wire/ethernet.ts';
import { encodeIcmp } from '../../../src/wire/icmp.ts';
import { encodeIpv4 } from '../../../src/wire/ipv4.ts';
import type { CapturedPacket, CaptureInterface } from '../../../src/wire/pcap-record.ts';
import { encodeUdp } from '../../../src/wire/udp.ts';
import { encodeVxlanHeader } from '../../../src/wire/vxlan.ts';
import { echoRequest, tcpFlags, tcpPacket, udpPacket } from '../../support/inner-packets.ts';
import {
  ethernet,
  fragmentHeader,
  innerFrame,
  ipv4,
  ipv6,
  own4,
  own6,
  packetCases,
  peer4,
  peer6,
  tagged,
  vxlanDatagram,
} from '../../support/overlay-frames.ts';
import { hex } from '../wire/hex.ts';

const eth0: CaptureInterface = { linkType: 1, snapBytes: 0, name: 'eth0', addresses: [own4, own6] };

/** 14:03:25.123456789 of some day, wherever this runs. */
const timeNs = BigInt(new Date(2026, 10, 24, 14, 3, 25, 123).getTime()) * 1_000_000n + 456_789n;

const plain: Paint = (_, text) => text;

function packetOf(bytes: Uint8Array, more: Partial<CapturedPacket> = {}): CapturedPacket {
  return { via: eth0, timeNs, bytes, lengthBytes: bytes.length, ...more };
}

const ports = [8472, 8285];

function lineOf(
  packet: CapturedPacket,
  decoder = new OverlayDecoder(ports),
  columns = 200,
): string | undefined {
  const [overlay, ...others] = decoder.decode(packet);
  assert.deepEqual(others, []);
  return overlay && packetLine(packet, overlay, { columns, paint: plain });
}

const [one, two] = [parseIp('10.2.1.2'), parseIp('10.2.2.2')];
const envelope = { source: one, destination: two };
const six = { source: parseIp('fd00:1::2'), destination: parseIp('fd00:2::2') };
const inner = (etherType: number, payload: Uint8Array) =>
  encodeEthernet(
    { destination: parseMac('0a:00:00:00:00:02'), source: parseMac('0a:00:00:00:00:01'), etherType },
    payload,
  );
const inVxlan = (frame: Uint8Array, vni = 1) => ethernet(0x0800, ipv4(vxlanDatagram(vni, 8472, frame)));
const ports80 = { sourcePort: 40_000, destinationPort: 80 };
const arp = hex('0001 0800 06 04 0001', '0a0000000001 0a020100', '000000000000 0a020200');
const solicitation = encodeIcmp({ kind: 'other', type: 135, code: 0, rest: 0 }, 6, new Uint8Array(16), six);

/** Behind the time. */
const lines: ReadonlyArray<readonly [what: string, frame: Uint8Array, line: string | undefined]> = [
  [
    'to a peer',
    inVxlan(innerFrame()),
    '-> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1 (id 7, 32 bytes)',
  ],
  [
    'from a peer',
    ethernet(0x0800, ipv4(vxlanDatagram(1), { source: peer4, destination: own4 })),
    '<- 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1 (id 7, 32 bytes)',
  ],
  [
    'between others',
    ethernet(0x0800, ipv4(vxlanDatagram(1), { source: peer4, destination: parseIp('192.0.2.3') })),
    '192.0.2.2 > 192.0.2.3 vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1 (id 7, 32 bytes)',
  ],
  [
    'IPv6 outside and inside',
    ethernet(0x86dd, ipv6(vxlanDatagram(1, 8472, innerFrame(six.source, six.destination)))),
    '-> 2001:db8::2 vni 1 fd00:1::2 > fd00:2::2 echo request seq 1 (id 7, 32 bytes)',
  ],
  [
    'a VLAN outside',
    ethernet(0x8100, tagged(0x0800, ipv4(vxlanDatagram(1)))),
    '-> 192.0.2.2 vlan 5 vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1 (id 7, 32 bytes)',
  ],
  [
    'a VLAN inside',
    inVxlan(
      inner(0x8100, tagged(0x0800, tcpPacket(envelope, { ...ports80, sequence: 1 }, new Uint8Array()), 9)),
    ),
    '-> 192.0.2.2 vni 1 vlan 9 10.2.1.2:40000 > 10.2.2.2:80 tcp ACK',
  ],
  [
    'TCP',
    inVxlan(
      inner(
        0x0800,
        tcpPacket(
          envelope,
          { ...ports80, sequence: 1, flags: tcpFlags.SYN | tcpFlags.ECE },
          new Uint8Array(5),
        ),
      ),
    ),
    '-> 192.0.2.2 vni 1 10.2.1.2:40000 > 10.2.2.2:80 tcp SYN ECE (5 bytes)',
  ],
  [
    'TCP in IPv6',
    inVxlan(inner(0x86dd, tcpPacket(six, { ...ports80, sequence: 1 }, new Uint8Array(5)))),
    '-> 192.0.2.2 vni 1 [fd00:1::2]:40000 > [fd00:2::2]:80 tcp ACK (5 bytes)',
  ],
  [
    'UDP',
    inVxlan(inner(0x0800, udpPacket(envelope, ports80, new Uint8Array(3)))),
    '-> 192.0.2.2 vni 1 10.2.1.2:40000 > 10.2.2.2:80 udp (3 bytes)',
  ],
  [
    'VXLAN of a container is not unwrapped',
    inVxlan(inner(0x0800, udpPacket(envelope, { sourcePort: 1, destinationPort: 8472 }, new Uint8Array(60)))),
    '-> 192.0.2.2 vni 1 10.2.1.2:1 > 10.2.2.2:8472 udp (60 bytes)',
  ],
  [
    'another protocol',
    inVxlan(inner(0x0800, encodeIpv4({ ...envelope, protocol: 132 }, new Uint8Array(8)))),
    '-> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 protocol 132, 8 bytes',
  ],
  [
    'a fragment inside',
    inVxlan(
      inner(0x0800, encodeIpv4({ ...envelope, protocol: 1, fragmentOffsetBytes: 1424 }, new Uint8Array(8))),
    ),
    '-> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 fragment at 1424, icmp, 8 bytes',
  ],
  ['ARP', inVxlan(inner(0x0806, arp)), '-> 192.0.2.2 vni 1 arp who has 10.2.2.0, tell 10.2.1.0'],
  [
    'ARP answered',
    inVxlan(inner(0x0806, arp.with(7, 2))),
    '-> 192.0.2.2 vni 1 arp 10.2.1.0 is at 0a:00:00:00:00:01',
  ],
  [
    'neighbour discovery',
    inVxlan(inner(0x86dd, ipv6(solicitation, { ...six, protocol: 58 }))),
    '-> 192.0.2.2 vni 1 fd00:1::2 > fd00:2::2 icmp6 neighbour solicitation (16 bytes)',
  ],
  [
    'no IP at all',
    inVxlan(inner(0x88cc, new Uint8Array(9))),
    '-> 192.0.2.2 vni 1 0a:00:00:00:00:01 > 0a:00:00:00:00:02 ethertype 0x88cc, 9 bytes',
  ],
  [
    'an inner error',
    inVxlan(
      inner(
        0x0800,
        encodeIpv4(
          { ...envelope, protocol: 1 },
          encodeIcmp({ kind: 'too-big', mtuBytes: 1450 }, 4, new Uint8Array(28)),
        ),
      ),
    ),
    '-> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 icmp too big, mtu 1450 (28 bytes)',
  ],
  [
    'a wrong checksum inside',
    inVxlan(innerFrame().with(37, 0xff)),
    '-> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1, WRONG CHECKSUM (id 7, 32 bytes)',
  ],
  ['nothing inside', inVxlan(new Uint8Array()), '-> 192.0.2.2 vni 1 nothing'],
  [
    'too little inside',
    inVxlan(hex('0102')),
    '-> 192.0.2.2 vni 1 2 bytes, malformed packet: an Ethernet header takes 14 bytes, got 2',
  ],
  [
    'no VNI',
    ethernet(0x0800, ipv4(encodeUdp({ sourcePort: 1, destinationPort: 8472 }, hex('0000000000000100')))),
    '-> 192.0.2.2 udp 8472 8 bytes, malformed packet: VXLAN flags 0x00 say that there is no VNI',
  ],
  [
    'a group',
    ethernet(
      0x0800,
      ipv4(
        encodeUdp(
          { sourcePort: 1, destinationPort: 8472 },
          encodeVxlanHeader(
            { vni: 1, groupPolicy: { id: 5, dontLearn: false, applied: false } },
            inner(0x88cc, hex('00')),
          ),
        ),
      ),
    ),
    '-> 192.0.2.2 vni 1 group 5 0a:00:00:00:00:01 > 0a:00:00:00:00:02 ethertype 0x88cc, 1 bytes',
  ],
  [
    'the udp backend',
    ethernet(
      0x0800,
      ipv4(
        encodeUdp({ sourcePort: 8285, destinationPort: 8285 }, echoRequest(envelope, 4, new Uint8Array(10))),
      ),
    ),
    '-> 192.0.2.2 udp 8285 10.2.1.2 > 10.2.2.2 echo request seq 4 (id 7, 10 bytes)',
  ],
  [
    'an error about it',
    ethernet(
      0x0800,
      ipv4(encodeIcmp({ kind: 'unreachable', code: 3 }, 4, ipv4(vxlanDatagram(1)).subarray(0, 28)), {
        source: peer4,
        destination: own4,
        protocol: 1,
      }),
    ),
    '<- 192.0.2.2 icmp port unreachable for udp 8472, 192.0.2.1 > 192.0.2.2',
  ],
  [
    'an IPv6 error about it',
    ethernet(
      0x86dd,
      ipv6(
        encodeIcmp({ kind: 'too-big', mtuBytes: 1280 }, 6, ipv6(vxlanDatagram(1)), {
          source: peer6,
          destination: own6,
        }),
        { source: peer6, destination: own6, protocol: 58 },
      ),
    ),
    '<- 2001:db8::2 icmp too big, mtu 1280 for udp 8472, 2001:db8::1 > 2001:db8::2',
  ],
  ['another port', ethernet(0x0800, ipv4(vxlanDatagram(1, 4789))), undefined],
  [
    'an error about something else',
    ethernet(
      0x0800,
      ipv4(encodeIcmp({ kind: 'unreachable', code: 3 }, 4, ipv4(vxlanDatagram(1, 53))), { protocol: 1 }),
    ),
    undefined,
  ],
  ['an echo request', ethernet(0x0800, echoRequest(envelope, 1, new Uint8Array(60))), undefined],
  [
    'an echo request that quotes such a packet',
    ethernet(0x0800, echoRequest(envelope, 1, ipv4(vxlanDatagram(1)))),
    undefined,
  ],
  ['ARP on the underlay', ethernet(0x0806, arp), undefined],
];

test('every kind of packet has its line', () => {
  for (const [what, frame, expected] of lines) {
    const line = lineOf(packetOf(frame));
    assert.equal(line, expected && `14:03:25.123456 ${expected}`, what);
  }
});

test('a packet that was cut to its headers has the same line, without a verdict on its checksums', () => {
  for (const [what, frame, expected] of lines) {
    const packet = packetOf(frame.subarray(0, 150), { lengthBytes: frame.length });
    const shown = frame.length > 150 ? expected?.replace(', WRONG CHECKSUM', '') : expected;
    assert.equal(lineOf(packet), shown && `14:03:25.123456 ${shown}`, what);
  }
});

test('of a packet that was cut within its headers nothing is shown that was not captured', () => {
  for (const [what, frame, expected = ''] of lines) {
    for (let keep = 0; keep < frame.length; keep++) {
      const line = lineOf(packetOf(frame.subarray(0, keep), { lengthBytes: frame.length })) ?? '';
      const said = line
        .replace(/^\S+ /, '')
        .replace(/( udp 8472)? \d+ bytes, of which only \d+ were captured$/, '');
      assert.ok(
        expected.startsWith(said) || said === expected.replace(', WRONG CHECKSUM', ''),
        `${what}, ${keep} bytes: ${said}`,
      );
    }
  }
});

test('later fragments are shown when the first was one of the overlay, and others are not', () => {
  const datagram = vxlanDatagram(1);
  const [head, tail] = [datagram.subarray(0, 64), datagram.subarray(64)];
  const pieces = {
    4: (identification: number) => [
      ethernet(0x0800, ipv4(head, { identification, moreFragments: true })),
      ethernet(0x0800, ipv4(tail, { identification, fragmentOffsetBytes: 64 })),
    ],
    6: (identification: number) => [
      ethernet(0x86dd, ipv6(head, { extensions: [fragmentHeader(0, true, identification)] })),
      ethernet(0x86dd, ipv6(tail, { extensions: [fragmentHeader(64, false, identification)] })),
    ],
  };
  for (const family of [4, 6] as const) {
    const decoder = new OverlayDecoder(ports);
    const peer = family === 4 ? peer4 : peer6;
    const [first, last] = pieces[family](1).map(frame => lineOf(packetOf(frame), decoder));
    const [, stranger = new Uint8Array()] = pieces[family](2);
    assert.equal(
      first,
      `14:03:25.123456 -> ${peer} vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1 (id 7, 32 bytes) (first fragment)`,
    );
    assert.equal(last, `14:03:25.123456 -> ${peer} fragment at 64 of such a datagram, ${tail.length} bytes`);
    assert.equal(lineOf(packetOf(stranger), decoder), undefined);
  }
});

/** Echo requests that the udp backend has handed over as one, each with so many bytes; the last may have fewer. */
function batch(
  sequences: readonly number[],
  size: number,
  lastSize = size,
  tail: Uint8Array = new Uint8Array(),
): Uint8Array {
  const requests = sequences.map((sequence, index) =>
    echoRequest(envelope, sequence, new Uint8Array(index === sequences.length - 1 ? lastSize : size)),
  );
  const datagrams = new Uint8Array(Buffer.concat([...requests, tail]));
  return ethernet(0x0800, ipv4(encodeUdp({ sourcePort: 8285, destinationPort: 8285 }, datagrams)));
}

const linesOf = (packet: CapturedPacket) =>
  new OverlayDecoder(ports)
    .decode(packet)
    .map(overlay =>
      packetLine(packet, overlay, { columns: 200, paint: plain }).replace(/^.*echo request /, ''),
    );

test('datagrams that are still in one have a line each', () => {
  assert.deepEqual(linesOf(packetOf(batch([1, 2, 3], 100))), [
    'seq 1 (id 7, 100 bytes)',
    'seq 2 (id 7, 100 bytes)',
    'seq 3 (id 7, 100 bytes)',
  ]);
  assert.deepEqual(linesOf(packetOf(batch([1, 2], 100, 3))), [
    'seq 1 (id 7, 100 bytes)',
    'seq 2 (id 7, 3 bytes)',
  ]);
  const packet = packetOf(batch([1, 2], 100));
  assert.deepEqual(
    new OverlayDecoder(ports).decode(packet).map(one => packetDetails(packet, one, plain).at(-1)),
    [1, 2].map(number => `         packet ${number} of 2 in one, which the kernel cuts apart later`),
  );
});

test('of datagrams in one that were cut those are shown that are there, and the others are counted', () => {
  const frame = batch([1, 2, 3], 100);
  const cut = (length: number) => linesOf(packetOf(frame.subarray(0, length), { lengthBytes: frame.length }));
  const [headers, each] = [42, 128];
  const [first, second] = ['seq 1 (id 7, 100 bytes)', 'seq 2 (id 7, 100 bytes)'];
  assert.deepEqual(cut(headers + each), [`${first} (and 2 more)`]);
  assert.deepEqual(cut(headers + each + 28), [first, `${second} (and 1 more)`]);
  assert.deepEqual(cut(headers + each + 10), [
    first,
    `14:03:25.123456 -> 192.0.2.2 udp 8285 128 bytes, of which only 10 were captured (and 1 more)`,
  ]);
});

test('what is behind an IP packet and is none is no packet of its own', () => {
  const tails: readonly Uint8Array[] = [hex('00'), hex('4500000000'), new Uint8Array(300).fill(0x45)];
  for (const tail of tails) {
    assert.deepEqual(linesOf(packetOf(batch([1], 30, 30, tail))), ['seq 1 (id 7, 30 bytes)']);
  }
});

test('of datagrams in pieces only so many are remembered', () => {
  const decoder = new OverlayDecoder(ports);
  const piece = (identification: number, later: boolean) =>
    packetOf(
      ethernet(
        0x0800,
        ipv4(
          vxlanDatagram(1),
          later ? { identification, fragmentOffsetBytes: 1480 } : { identification, moreFragments: true },
        ),
      ),
    );
  for (let identification = 0; identification <= 1024; identification++)
    decoder.decode(piece(identification, false));
  assert.deepEqual(decoder.decode(piece(0, true)), []);
  assert.equal(decoder.decode(piece(1, true))[0]?.kind, 'fragment');
  assert.equal(decoder.decode(piece(1024, true))[0]?.kind, 'fragment');
});

test('where there is little room lines have less, and are cut to the width with an ellipsis', () => {
  const packet = packetOf(inVxlan(innerFrame()));
  const line = (columns: number) => lineOf(packet, new OverlayDecoder(ports), columns);
  assert.equal(
    line(100),
    '14:03:25.123456 -> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1 (id 7, 32 bytes)',
  );
  assert.equal(line(80), '14:03:25.123 -> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 echo request seq 1');
  assert.equal(line(60), '14:03:25.123 -> 192.0.2.2 vni 1 10.2.1.2 > 10.2.2.2 echo re…');
  for (let columns = 1; columns < 110; columns++) assert.ok((line(columns)?.length ?? 0) <= columns);
});

test('colours do not count for the width', () => {
  const packet = packetOf(inVxlan(innerFrame()));
  const [overlay] = new OverlayDecoder(ports).decode(packet);
  assert.ok(overlay !== undefined);
  const paint: Paint = (weight, text) => (weight === 'plain' ? text : `<${weight[0]}${text}>`);
  assert.equal(
    packetLine(packet, overlay, { columns: 80, paint }),
    '<q14:03:25.123> <q-> 192.0.2.2> <qvni 1> <s10.2.1.2 > 10.2.2.2> echo request seq 1',
  );
});

test('with details every header is told', () => {
  const frame = inVxlan(
    inner(0x0800, tcpPacket(envelope, { ...ports80, sequence: 7, acknowledgement: 9 }, new Uint8Array(5))),
  );
  const packet = packetOf(frame, { direction: 'out' });
  const details = (one: CapturedPacket) => {
    const [overlay] = new OverlayDecoder(ports).decode(one);
    return overlay && packetDetails(one, overlay, plain);
  };
  assert.deepEqual(details(packet), [
    '2026-11-24 14:03:25.123456 out by eth0, 109 bytes',
    '  outer  eth 02:00:00:00:00:01 > 02:00:00:00:00:02',
    '         ip 192.0.2.1 > 192.0.2.2 ttl 64',
    '         udp 40000 > 8472',
    '  vxlan  vni 1',
    '  inner  eth 0a:00:00:00:00:01 > 0a:00:00:00:00:02',
    '         ip 10.2.1.2 > 10.2.2.2 ttl 64',
    '         tcp 40000 > 80 seq 7 ack 9 win 500 ACK, 5 bytes',
  ]);
  const error = encodeIcmp({ kind: 'unreachable', code: 3 }, 4, ipv4(vxlanDatagram(1)).subarray(0, 28));
  const refused = packetOf(ethernet(0x0800, ipv4(error, { source: peer4, destination: own4, protocol: 1 })), {
    direction: 'in',
  });
  assert.deepEqual(details(refused)?.slice(-3), [
    '         icmp port unreachable',
    '  about  ip 192.0.2.1 > 192.0.2.2 ttl 64',
    '         udp 40000 > 8472',
  ]);
  const cut = packetOf(frame.subarray(0, 90), { lengthBytes: 109, via: { linkType: 1, snapBytes: 90 } });
  assert.equal(
    details(cut)?.[0],
    '2026-11-24 14:03:25.123456 on an unnamed interface, 109 bytes, the first 90 captured',
  );
  assert.match(details(packetOf(inVxlan(inner(0x0806, arp))))?.at(-1) ?? '', /^ {9}arp who has 10\.2\.2\.0/);
});

test('links without a header are shown as if they had none', () => {
  const via = { ...eth0, linkType: 101 };
  const packet = packetOf(ipv4(vxlanDatagram(1)), { via });
  assert.match(lineOf(packet) ?? '', /^\S+ -> 192\.0\.2\.2 vni 1 10\.2\.1\.2/);
  const [overlay] = new OverlayDecoder(ports).decode(packet);
  assert.deepEqual(
    overlay && packetDetails(packet, overlay, plain)[1],
    '  outer  ip 192.0.2.1 > 192.0.2.2 ttl 64',
  );
});

test('an unknown or impossible time is shown as such', () => {
  const frame = inVxlan(innerFrame());
  for (const none of [undefined, 1n << 120n]) {
    assert.match(lineOf(packetOf(frame, { timeNs: none })) ?? '', /^--:--:--\.------ -> /);
  }
});

test('hostile packets have a line or none, and always fit', () => {
  const start = fc.constantFrom(
    ...lines.map(([, frame]) => frame),
    ...packetCases.map(({ frame }) => ethernet(0x0800, frame)),
    batch([1, 2, 3], 30),
  );
  const changes = fc.array(fc.tuple(fc.nat({ max: 120 }), fc.nat({ max: 255 })), { maxLength: 6 });
  const decoder = new OverlayDecoder(ports);
  fc.assert(
    fc.property(start, changes, fc.nat({ max: 150 }), fc.nat(), (original, flips, keep, beyond) => {
      const frame = Uint8Array.from(original);
      for (const [at, value] of flips) if (at < frame.length) frame[at] = value;
      const bytes = frame.subarray(0, keep);
      const packet = packetOf(bytes, { lengthBytes: bytes.length + beyond });
      for (const overlay of decoder.decode(packet)) {
        assert.ok(packetLine(packet, overlay, { columns: 100, paint: plain }).length <= 100);
        assert.ok(packetDetails(packet, overlay, plain).length > 1);
      }
    }),
    { numRuns: 3000 },
  );
});
