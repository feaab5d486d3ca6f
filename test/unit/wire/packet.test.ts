import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WeftError } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { encodeEthernet } from '../../../src/wire/ethernet.ts';
import { encodeIcmp } from '../../../src/wire/icmp.ts';
import { encodeIpv4 } from '../../../src/wire/ipv4.ts';
import { encodeIpv6 } from '../../../src/wire/ipv6.ts';
import { decodePacket } from '../../../src/wire/packet.ts';
import { describePacket } from '../../../src/wire/packet-text.ts';
import { encodeUdp } from '../../../src/wire/udp.ts';
import { encodeVlan } from '../../../src/wire/vlan.ts';
import { encodeVxlanHeader } from '../../../src/wire/vxlan.ts';
import { hex, utf8 } from './hex.ts';

/** An echo request in VXLAN, put together by hand: lengths and checksums were computed by another program. */
const overlayFrame = hex(
  '020000000002 020000000001 0800', // Ethernet
  '4500 0052 0000 0000 4011 f697 c0000201 c0000202', // IPv4: 82 bytes, TTL 64, UDP
  '9c40 2118 003e 0000', // UDP 40000 > 8472, 62 bytes, no checksum
  '08000000 00000100', // VXLAN: I bit, VNI 1
  '0a0000000002 0a0000000001 0800', // Ethernet inside
  '4500 0020 1111 4000 4001 12c9 0a020100 0a020200', // IPv4 inside: 32 bytes, DF, TTL 64, ICMP
  '0800 07f1 1234 0001 77656674', // echo request, "weft"
);

const source = parseIp('192.0.2.1');
const destination = parseIp('192.0.2.2');
const ethernet = (etherType: number) => ({
  destination: parseMac('02:00:00:00:00:02'),
  source: parseMac('02:00:00:00:00:01'),
  etherType,
});

test('a frame of the overlay is walked from the outer Ethernet header to the echo request inside', () => {
  assert.deepEqual(decodePacket(overlayFrame), [
    {
      layer: 'ethernet',
      destination: parseMac('02:00:00:00:00:02'),
      source: parseMac('02:00:00:00:00:01'),
      etherType: 0x0800,
    },
    {
      layer: 'ipv4',
      source,
      destination,
      protocol: 17,
      ttl: 64,
      trafficClass: 0,
      identification: 0,
      dontFragment: false,
      moreFragments: false,
      fragmentOffsetBytes: 0,
      options: hex(''),
      checksum: 'right',
    },
    { layer: 'udp', sourcePort: 40000, destinationPort: 8472, checksum: 'none' },
    { layer: 'vxlan', vni: 1, groupPolicy: undefined },
    {
      layer: 'ethernet',
      destination: parseMac('0a:00:00:00:00:02'),
      source: parseMac('0a:00:00:00:00:01'),
      etherType: 0x0800,
    },
    {
      layer: 'ipv4',
      source: parseIp('10.2.1.0'),
      destination: parseIp('10.2.2.0'),
      protocol: 1,
      ttl: 64,
      trafficClass: 0,
      identification: 0x1111,
      dontFragment: true,
      moreFragments: false,
      fragmentOffsetBytes: 0,
      options: hex(''),
      checksum: 'right',
    },
    {
      layer: 'icmp',
      family: 4,
      message: { kind: 'echo-request', identifier: 0x1234, sequence: 1 },
      checksum: 'right',
    },
    { layer: 'payload', bytes: utf8('weft'), malformed: undefined },
  ]);
});

test('a packet is told in one line', () => {
  const ip = (protocol: number, payload: Uint8Array) =>
    encodeIpv4({ source, destination, protocol }, payload);
  const inUdp = (port: number, payload: Uint8Array) =>
    encodeEthernet(ethernet(0x0800), ip(17, encodeUdp({ sourcePort: 5, destinationPort: port }, payload)));
  const eth = 'eth 02:00:00:00:00:01 > 02:00:00:00:00:02';
  const outer = `${eth} | ip 192.0.2.1 > 192.0.2.2 ttl 64`;
  const six = { source: parseIp('2001:db8::1'), destination: parseIp('2001:db8::2') };
  const tooBig = encodeIcmp({ kind: 'too-big', mtuBytes: 1280 }, 6, hex('60'), six);
  const stacked = encodeVlan({ vlan: 7, priority: 0, dropEligible: false, etherType: 0x0806 }, hex('0001'));
  const cases: ReadonlyArray<readonly [Uint8Array, string]> = [
    [
      overlayFrame,
      `${outer} | udp 40000 > 8472 | vxlan vni 1 | eth 0a:00:00:00:00:01 > 0a:00:00:00:00:02 ` +
        '| ip 10.2.1.0 > 10.2.2.0 ttl 64 | icmp echo request id 4660 seq 1 | 4 bytes',
    ],
    [
      encodeEthernet(
        ethernet(0x88a8),
        encodeVlan({ vlan: 100, priority: 5, dropEligible: false, etherType: 0x8100 }, stacked),
      ),
      `${eth} | vlan 100 priority 5 | vlan 7 | arp, 2 bytes`,
    ],
    [
      encodeEthernet(ethernet(0x86dd), encodeIpv6({ ...six, protocol: 58 }, tooBig)),
      `${eth} | ip6 2001:db8::1 > 2001:db8::2 hops 64 | icmp6 too big, mtu 1280 | 1 bytes`,
    ],
    [encodeEthernet(ethernet(0x0800), ip(6, new Uint8Array(20))), `${outer} | tcp, 20 bytes`],
    [encodeEthernet(ethernet(0x0026), hex('42')), `${eth} | llc, 1 bytes`],
    [encodeEthernet(ethernet(0x88cc), hex('42')), `${eth} | ethertype 0x88cc, 1 bytes`],
    [encodeEthernet(ethernet(0x0800), ip(99, hex('42'))), `${outer} | protocol 99, 1 bytes`],
    [inUdp(53, utf8('hi')), `${outer} | udp 5 > 53 | 2 bytes`],
    [
      inUdp(
        4789,
        encodeVxlanHeader({ vni: 9, groupPolicy: { id: 3, dontLearn: true, applied: true } }, hex('00')),
      ),
      `${outer} | udp 5 > 4789 | vxlan vni 9 group 3 dont-learn applied ` +
        '| 1 bytes, malformed packet: an Ethernet header takes 14 bytes, got 1',
    ],
    [
      inUdp(8472, hex('00 00 00 00 00 00 01 00')),
      `${outer} | udp 5 > 8472 | 8 bytes, malformed packet: VXLAN flags 0x00 say that there is no VNI`,
    ],
    [
      encodeEthernet(
        ethernet(0x0800),
        encodeIpv4({ source, destination, protocol: 17, fragmentOffsetBytes: 1480 }, new Uint8Array(8)),
      ),
      `${outer} fragment at 1480 | udp, 8 bytes`,
    ],
    [
      encodeEthernet(ethernet(0x0800), ip(17, hex('0005 0006 0008 0001'))),
      `${outer} | udp 5 > 6 unfinished or wrong checksum`,
    ],
    [
      encodeEthernet(ethernet(0x0800), ip(99, hex('42')).with(11, 0)),
      `${outer} WRONG CHECKSUM | protocol 99, 1 bytes`,
    ],
  ];
  for (const [frame, line] of cases) assert.equal(describePacket(decodePacket(frame)), line);
});

test('the ports that mean VXLAN can be told', () => {
  const layers = (vxlanPorts: readonly number[]) =>
    decodePacket(overlayFrame, { vxlanPorts }).map(({ layer }) => layer);
  assert.deepEqual(layers([4789]), ['ethernet', 'ipv4', 'udp', 'payload']);
  assert.equal(layers([8472])[3], 'vxlan');
});

test('VXLAN in VXLAN without end is walked only so far', () => {
  let frame = encodeEthernet(ethernet(0x0806), hex('01'));
  for (let depth = 0; depth < 20; depth++) {
    const datagram = encodeUdp(
      { sourcePort: 1, destinationPort: 8472 },
      encodeVxlanHeader({ vni: depth }, frame),
    );
    frame = encodeEthernet(ethernet(0x0800), encodeIpv4({ source, destination, protocol: 17 }, datagram));
  }
  const layers = decodePacket(frame);
  assert.equal(layers.length, 25);
  assert.equal(layers.at(-1)?.layer, 'payload');
});

test('hostile bytes behind any true beginning are told or refused, and every view lies within the frame', () => {
  const start = fc.integer({ min: 0, max: overlayFrame.length });
  const flips = fc.array(fc.tuple(fc.nat({ max: overlayFrame.length - 1 }), fc.nat({ max: 255 })), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(start, flips, fc.uint8Array({ maxLength: 200 }), (keep, changes, rest) => {
      const frame = Uint8Array.from([...overlayFrame.subarray(0, keep), ...rest]);
      for (const [at, value] of changes) if (at < frame.length) frame[at] = value;
      try {
        const layers = decodePacket(frame);
        assert.notEqual(describePacket(layers), '');
        const last = layers.at(-1);
        if (last?.layer === 'payload') assert.equal(last.bytes.buffer, frame.buffer);
      } catch (error) {
        assert.ok(error instanceof WeftError && error.code === 'packet-malformed', String(error));
        assert.ok(frame.length < 14);
      }
    }),
    { numRuns: 2000 },
  );
});
