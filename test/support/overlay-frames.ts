/** Frames of an underlay, and whether the filter below shall take them. Put together by codecs, for tests of filters. */
import { type IpAddress, parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import type { Carrier } from '../../src/wire/bpf-overlay.ts';
import { encodeEthernet } from '../../src/wire/ethernet.ts';
import { encodeIcmp } from '../../src/wire/icmp.ts';
import { encodeIpv4, type Ipv4Spec } from '../../src/wire/ipv4.ts';
import { encodeIpv6, type Ipv6Spec } from '../../src/wire/ipv6.ts';
import { encodeUdp } from '../../src/wire/udp.ts';
import { encodeVlan } from '../../src/wire/vlan.ts';
import { encodeVxlanHeader } from '../../src/wire/vxlan.ts';
import { echoRequest } from './inner-packets.ts';

export const own4 = parseIp('192.0.2.1');
export const peer4 = parseIp('192.0.2.2');
export const own6 = parseIp('2001:db8::1');
export const peer6 = parseIp('2001:db8::2');
const stranger4 = parseIp('192.0.2.3');
const stranger6 = parseIp('2001:db8::3');

export const carriers: readonly Carrier[] = [
  { port: 8472, vnis: [1, 7] },
  { port: 8285, vnis: [] },
];
export const hosts: readonly IpAddress[] = [peer4, peer6];

export interface FrameCase {
  readonly what: string;
  readonly frame: Uint8Array;
  readonly taken: boolean;
}

const macs = { destination: parseMac('02:00:00:00:00:02'), source: parseMac('02:00:00:00:00:01') };
const [ipv4Type, ipv6Type, vlanType, serviceType] = [0x0800, 0x86dd, 0x8100, 0x88a8];

export function ethernet(etherType: number, payload: Uint8Array): Uint8Array {
  return encodeEthernet({ ...macs, etherType }, payload);
}

export function tagged(etherType: number, payload: Uint8Array, vlan = 5): Uint8Array {
  return encodeVlan({ vlan, priority: 0, dropEligible: false, etherType }, payload);
}

/** The frame inside: an echo request with 32 bytes, in Ethernet. */
export function innerFrame(source = parseIp('10.2.1.2'), destination = parseIp('10.2.2.2')): Uint8Array {
  return encodeEthernet(
    {
      destination: parseMac('0a:00:00:00:00:02'),
      source: parseMac('0a:00:00:00:00:01'),
      etherType: source.includes(':') ? ipv6Type : ipv4Type,
    },
    echoRequest({ source, destination }, 1, new Uint8Array(32)),
  );
}

export function vxlanDatagram(vni: number, port = 8472, inner = innerFrame()): Uint8Array {
  return encodeUdp({ sourcePort: 40_000, destinationPort: port }, encodeVxlanHeader({ vni }, inner));
}

export function ipv4(payload: Uint8Array, spec: Partial<Ipv4Spec> = {}): Uint8Array {
  return encodeIpv4({ source: own4, destination: peer4, protocol: 17, ...spec }, payload);
}

export function ipv6(payload: Uint8Array, spec: Partial<Ipv6Spec> = {}): Uint8Array {
  return encodeIpv6({ source: own6, destination: peer6, protocol: 17, ...spec }, payload);
}

/** A fragment header (RFC 8200 section 4.5), as `Ipv6Spec.extensions` wants it. */
export function fragmentHeader(offsetBytes: number, moreFragments: boolean, identification = 9) {
  const word = offsetBytes | (moreFragments ? 1 : 0);
  return { protocol: 44, body: Uint8Array.of(0, word >>> 8, word & 0xff, 0, 0, 0, identification) };
}

const unreachable = { kind: 'unreachable', code: 3 } as const;
const ends6 = { source: peer6, destination: own6 };
const port53 = encodeUdp({ sourcePort: 1, destinationPort: 53 }, new Uint8Array(30));

const inIpv4: ReadonlyArray<readonly [what: string, taken: boolean, packet: Uint8Array]> = [
  ['VXLAN to the peer', true, ipv4(vxlanDatagram(1))],
  ['VXLAN of the second VNI', true, ipv4(vxlanDatagram(7))],
  ['VXLAN of another VNI', false, ipv4(vxlanDatagram(2))],
  ['VXLAN on the port of the other tunnel, where VNIs do not count', true, ipv4(vxlanDatagram(2, 8285))],
  ['VXLAN on a foreign port', false, ipv4(vxlanDatagram(1, 4789))],
  ['VXLAN from the peer', true, ipv4(vxlanDatagram(1), { source: peer4, destination: own4 })],
  ['VXLAN to a stranger', false, ipv4(vxlanDatagram(1), { destination: stranger4 })],
  ['VXLAN behind IP options', true, ipv4(vxlanDatagram(1), { options: new Uint8Array(8).fill(1) })],
  [
    'a datagram to port 8285 without any content',
    true,
    ipv4(encodeUdp({ sourcePort: 1, destinationPort: 8285 }, new Uint8Array())),
  ],
  [
    'a datagram from port 8472',
    false,
    ipv4(encodeUdp({ sourcePort: 8472, destinationPort: 53 }, new Uint8Array(30))),
  ],
  ['TCP to port 8472', false, ipv4(vxlanDatagram(1), { protocol: 6 })],
  ['the first fragment', true, ipv4(vxlanDatagram(1), { moreFragments: true })],
  ['the first fragment of another datagram', false, ipv4(port53, { moreFragments: true })],
  ['a later fragment', true, ipv4(new Uint8Array(64), { fragmentOffsetBytes: 1480 })],
  ['a later fragment of TCP', false, ipv4(new Uint8Array(64), { fragmentOffsetBytes: 1480, protocol: 6 })],
  [
    'a later fragment to a stranger',
    false,
    ipv4(new Uint8Array(64), { fragmentOffsetBytes: 1480, destination: stranger4 }),
  ],
  [
    'port unreachable about VXLAN',
    true,
    ipv4(encodeIcmp(unreachable, 4, ipv4(vxlanDatagram(1))), {
      source: peer4,
      destination: own4,
      protocol: 1,
    }),
  ],
  [
    'too big about VXLAN, by a router',
    true,
    ipv4(
      encodeIcmp(
        { kind: 'too-big', mtuBytes: 1400 },
        4,
        ipv4(vxlanDatagram(1), { options: new Uint8Array(4).fill(1) }),
      ),
      { source: stranger4, destination: own4, protocol: 1 },
    ),
  ],
  [
    'port unreachable about VXLAN with 8 bytes of it',
    true,
    ipv4(encodeIcmp(unreachable, 4, ipv4(vxlanDatagram(1)).subarray(0, 28)), {
      source: peer4,
      destination: own4,
      protocol: 1,
    }),
  ],
  [
    'port unreachable about VXLAN to a stranger',
    false,
    ipv4(encodeIcmp(unreachable, 4, ipv4(vxlanDatagram(1), { destination: stranger4 })), {
      source: peer4,
      destination: own4,
      protocol: 1,
    }),
  ],
  [
    'port unreachable about something else',
    false,
    ipv4(encodeIcmp(unreachable, 4, ipv4(port53)), { source: peer4, destination: own4, protocol: 1 }),
  ],
  [
    'an echo request with a datagram inside',
    false,
    ipv4(encodeIcmp({ kind: 'echo-request', identifier: 1, sequence: 1 }, 4, ipv4(vxlanDatagram(1))), {
      protocol: 1,
    }),
  ],
];

const inIpv6: typeof inIpv4 = [
  ['VXLAN to the peer by IPv6', true, ipv6(vxlanDatagram(1))],
  ['VXLAN from the peer by IPv6', true, ipv6(vxlanDatagram(1), { source: peer6, destination: own6 })],
  ['VXLAN to a stranger by IPv6', false, ipv6(vxlanDatagram(1), { destination: stranger6 })],
  ['VXLAN of another VNI by IPv6', false, ipv6(vxlanDatagram(2))],
  ['the first fragment by IPv6', true, ipv6(vxlanDatagram(1), { extensions: [fragmentHeader(0, true)] })],
  [
    'the first fragment of another datagram by IPv6',
    false,
    ipv6(port53, { extensions: [fragmentHeader(0, true)] }),
  ],
  ['a later fragment by IPv6', true, ipv6(new Uint8Array(64), { extensions: [fragmentHeader(1448, false)] })],
  [
    'a later fragment of TCP by IPv6',
    false,
    ipv6(new Uint8Array(64), { protocol: 6, extensions: [fragmentHeader(1448, false)] }),
  ],
  [
    'port unreachable about VXLAN by IPv6',
    true,
    ipv6(encodeIcmp({ kind: 'unreachable', code: 4 }, 6, ipv6(vxlanDatagram(1)), ends6), {
      ...ends6,
      protocol: 58,
    }),
  ],
  [
    'too big about something else by IPv6',
    false,
    ipv6(encodeIcmp({ kind: 'too-big', mtuBytes: 1280 }, 6, ipv6(port53), ends6), { ...ends6, protocol: 58 }),
  ],
  [
    'an echo reply by IPv6',
    false,
    ipv6(encodeIcmp({ kind: 'echo-reply', identifier: 1, sequence: 1 }, 6, ipv6(vxlanDatagram(1)), ends6), {
      ...ends6,
      protocol: 58,
    }),
  ],
];

const vxlan4 = ipv4(vxlanDatagram(1));
const vxlan6 = ipv6(vxlanDatagram(1));

/** What is in Ethernet alone; the packets above are, too. */
export const frameCases: readonly FrameCase[] = [
  ...inIpv4.map(([what, taken, packet]) => ({ what, taken, frame: ethernet(ipv4Type, packet) })),
  ...inIpv6.map(([what, taken, packet]) => ({ what, taken, frame: ethernet(ipv6Type, packet) })),
  { what: 'VXLAN in a VLAN', taken: true, frame: ethernet(vlanType, tagged(ipv4Type, vxlan4)) },
  { what: 'VXLAN by IPv6 in a VLAN', taken: true, frame: ethernet(vlanType, tagged(ipv6Type, vxlan6)) },
  {
    what: 'VXLAN in a stack of VLANs',
    taken: true,
    frame: ethernet(serviceType, tagged(vlanType, tagged(ipv4Type, vxlan4, 6))),
  },
  { what: 'another port in a VLAN', taken: false, frame: ethernet(vlanType, tagged(ipv4Type, ipv4(port53))) },
  {
    what: 'VXLAN to a stranger in a VLAN',
    taken: false,
    frame: ethernet(vlanType, tagged(ipv4Type, ipv4(vxlanDatagram(1), { destination: stranger4 }))),
  },
  { what: 'ARP', taken: false, frame: ethernet(0x0806, new Uint8Array(28)) },
  {
    what: 'a frame that ends in the UDP header',
    taken: false,
    frame: ethernet(ipv4Type, vxlan4.subarray(0, 23)),
  },
];

/** The same packets, for links without a header. */
export const packetCases: readonly FrameCase[] = [...inIpv4, ...inIpv6].map(([what, taken, frame]) => ({
  what,
  taken,
  frame,
}));
