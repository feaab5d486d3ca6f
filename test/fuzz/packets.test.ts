/** What travels between hosts, as far as a capture or a trace takes it apart. */
import { parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { decodeEthernet, encodeEthernet } from '../../src/wire/ethernet.ts';
import { decodeIcmp, encodeIcmp } from '../../src/wire/icmp.ts';
import { decodeIpv4, encodeIpv4 } from '../../src/wire/ipv4.ts';
import { decodeIpv6, encodeIpv6 } from '../../src/wire/ipv6.ts';
import { decodePacket } from '../../src/wire/packet.ts';
import { describePacket } from '../../src/wire/packet-text.ts';
import { decodeUdp, encodeUdp } from '../../src/wire/udp.ts';
import { decodeVlan, encodeVlan } from '../../src/wire/vlan.ts';
import { decodeVxlanHeader, encodeVxlanHeader } from '../../src/wire/vxlan.ts';
import { fuzzBytes } from './fuzz.ts';

const four = { source: parseIp('192.0.2.1'), destination: parseIp('192.0.2.2') };
const six = { source: parseIp('2001:db8::1'), destination: parseIp('2001:db8::2') };
const words = new TextEncoder().encode('what is inside');

function frame(etherType: number, payload: Uint8Array): Uint8Array {
  const [destination, source] = [parseMac('02:00:00:00:00:02'), parseMac('02:00:00:00:00:01')];
  return encodeEthernet({ destination, source, etherType }, payload);
}

const echo = encodeIcmp({ kind: 'echo-request', identifier: 7, sequence: 1 }, 4, words);
const tooBig = encodeIcmp({ kind: 'too-big', mtuBytes: 1280 }, 6, words, six);
const inner = frame(0x0800, encodeIpv4({ ...four, protocol: 1, options: new Uint8Array(8) }, echo));
const vxlan = encodeVxlanHeader({ vni: 1, groupPolicy: { id: 3, dontLearn: true, applied: false } }, inner);
const udp = encodeUdp({ sourcePort: 40_000, destinationPort: 8472 }, vxlan, four);
const tag = encodeVlan({ vlan: 7, priority: 5, dropEligible: true, etherType: 0x0800 }, words);
const ipv4 = encodeIpv4({ ...four, protocol: 17, dontFragment: true }, udp);
/** A hop-by-hop header in front of the transport's. */
const ipv6 = encodeIpv6({ ...six, protocol: 0 }, Uint8Array.of(58, 0, 1, 4, 0, 0, 0, 0, ...tooBig));

fuzzBytes(
  'a frame',
  [frame(0x0800, ipv4), frame(0x86dd, ipv6), frame(0x8100, tag), frame(0x88a8, tag)],
  bytes => {
    const layers = decodePacket(bytes);
    return [layers, describePacket(layers)];
  },
);
fuzzBytes('an Ethernet header', [inner], decodeEthernet);
fuzzBytes('a VLAN tag', [tag], decodeVlan);
fuzzBytes('an IPv4 header', [ipv4], decodeIpv4);
fuzzBytes('an IPv6 header', [ipv6], decodeIpv6);
fuzzBytes('a UDP header', [udp], bytes => [decodeUdp(bytes), decodeUdp(bytes, four)]);
fuzzBytes('an ICMP header', [echo], bytes => decodeIcmp(bytes, 4));
fuzzBytes('an ICMPv6 header', [tooBig], bytes => [decodeIcmp(bytes, 6), decodeIcmp(bytes, 6, six)]);
fuzzBytes('a VXLAN header', [vxlan], decodeVxlanHeader);
