/** What an overlay carries, in a few words: `10.2.14.2 > 10.2.7.2`, `echo request seq 1`, `id 7, 56 bytes`. */
import { hasCode } from '../base/errors.ts';
import { decodeArp } from '../wire/arp.ts';
import { etherTypes } from '../wire/ethernet.ts';
import type { IcmpHeader, IcmpMessage } from '../wire/icmp.ts';
import { ipProtocols } from '../wire/ipv4.ts';
import { isFragment, type Layer, type Payload } from '../wire/packet.ts';
import { describePacket } from '../wire/packet-text.ts';
import { decodeTcp, type TcpHeader } from '../wire/tcp.ts';
import type { IpHeader } from './layers.ts';

export interface InnerText {
  /** VLAN tags, if any: `vlan 7`. */
  readonly tags: string;
  /** Who to whom, with ports where there are some. */
  readonly ends: string;
  readonly what: string;
  /** What can be done without where there is little room; empty: nothing. */
  readonly aside: string;
  /** Something is wrong with it. */
  readonly bad: boolean;
}

export function innerText(layers: readonly Layer[]): InnerText {
  const tags = layers.flatMap(layer => (layer.layer === 'vlan' ? [`vlan ${layer.vlan}`] : [])).join(' ');
  const at = layers.findIndex(layer => layer.layer === 'ipv4' || layer.layer === 'ipv6');
  const [ip, ...rest] = at < 0 ? [] : layers.slice(at);
  if (ip === undefined) return { tags, ...frameText(layers) };
  return { tags, ...packetText(ip as IpHeader, rest) };
}

/** A TCP header and its payload, which {@link decodePacket} leaves in one; undefined for what is none. */
export function tcpBehind(ip: Layer | undefined, payload: Layer | undefined): TcpRead | undefined {
  if ((ip?.layer !== 'ipv4' && ip?.layer !== 'ipv6') || ip.protocol !== ipProtocols.tcp) return undefined;
  if (payload?.layer !== 'payload' || isFragment(ip)) return undefined;
  return readable(() => decodeTcp(payload.bytes));
}

export interface TcpRead {
  readonly header: TcpHeader;
  readonly payload: Uint8Array;
}

/** `tcp SYN ACK` */
export function tcpText({ header }: TcpRead): string {
  return ['tcp', ...header.flags].join(' ');
}

/** `arp who has 10.2.7.0, tell 10.2.14.0`; undefined unless the payload behind `before` is ARP. */
export function arpText(before: Layer | undefined, payload: Layer | undefined): string | undefined {
  if ((before?.layer !== 'ethernet' && before?.layer !== 'vlan') || before.etherType !== etherTypes.arp)
    return;
  if (payload?.layer !== 'payload') return undefined;
  const arp = readable(() => decodeArp(payload.bytes));
  if (arp === undefined) return undefined;
  if (arp.operation === 'request') return `arp who has ${arp.target}, tell ${arp.sender}`;
  if (arp.operation === 'reply') return `arp ${arp.sender} is at ${arp.senderMac}`;
  return `arp operation ${arp.operation}`;
}

/** Such as `port unreachable`; what `describePacket` tells by number. */
export function icmpErrorText({ family, message }: IcmpHeader): string {
  if (message.kind === 'too-big') return `too big, mtu ${message.mtuBytes}`;
  if (message.kind === 'unreachable') {
    const reason = unreachable[family][message.code];
    return reason === undefined ? `unreachable, code ${message.code}` : `${reason} unreachable`;
  }
  return message.kind.replace('-', ' ');
}

/** By code, where hosts and routers use them: RFC 792, RFC 1122 section 3.2.2.1, RFC 4443 section 3.1. */
const unreachable: Readonly<Record<4 | 6, Readonly<Record<number, string>>>> = {
  4: {
    0: 'network',
    1: 'host',
    2: 'protocol',
    3: 'port',
    9: 'prohibited network',
    10: 'prohibited host',
    13: 'prohibited',
  },
  6: { 0: 'network', 1: 'prohibited', 3: 'address', 4: 'port' },
};

/** ICMPv6 messages that a link is full of (RFC 4861 section 4, RFC 3810). */
const icmp6Names: Readonly<Record<number, string>> = {
  133: 'router solicitation',
  134: 'router advertisement',
  135: 'neighbour solicitation',
  136: 'neighbour advertisement',
  143: 'multicast listener report',
};

function packetText(ip: IpHeader, [next, payload]: readonly Layer[]): Omit<InnerText, 'tags'> {
  const ends = (ports?: { sourcePort: number; destinationPort: number }) =>
    ports === undefined
      ? `${ip.source} > ${ip.destination}`
      : `${withPort(ip.source, ports.sourcePort)} > ${withPort(ip.destination, ports.destinationPort)}`;
  const wrongHeader = ip.layer === 'ipv4' && ip.checksum === 'wrong';
  const bad = wrongHeader || isMalformed(next) || isMalformed(payload);
  const tcp = tcpBehind(ip, next);
  if (tcp !== undefined)
    return { ends: ends(tcp.header), what: tcpText(tcp), aside: size(tcp.payload.length), bad };
  if (next?.layer === 'udp') return { ends: ends(next), what: 'udp', aside: size(bytesIn(payload)), bad };
  if (next?.layer === 'icmp') {
    const wrong = next.checksum === 'wrong';
    const what = `${icmpText(next)}${wrong ? ', WRONG CHECKSUM' : ''}`;
    const aside = [...identifierOf(next.message), size(bytesIn(payload))].filter(text => text !== '');
    return { ends: ends(), what, aside: aside.join(', '), bad: bad || wrong };
  }
  const pieces = isFragment(ip) ? `fragment at ${offsetOf(ip)}, ` : '';
  const rest = describePacket([ip, ...layersOf(next)])
    .split(' | ')
    .slice(1)
    .join(' ');
  return { ends: ends(), what: pieces + rest, aside: '', bad };
}

/** Nothing to say of nothing. */
function size(bytes: number): string {
  return bytes === 0 ? '' : `${bytes} bytes`;
}

function layersOf(layer: Layer | undefined): readonly Layer[] {
  return layer === undefined ? [] : [layer];
}

/** A frame that is neither IPv4 nor IPv6. */
function frameText(layers: readonly Layer[]): Omit<InnerText, 'tags'> {
  const last = layers.at(-1);
  const arp = arpText(layers.at(-2), last);
  const [first] = layers;
  const ends = first?.layer === 'ethernet' ? `${first.source} > ${first.destination}` : '';
  if (arp !== undefined) return { ends: '', what: arp, aside: '', bad: false };
  const what = last === undefined ? 'nothing' : (describePacket(layers).split(' | ').at(-1) ?? '');
  return { ends, what, aside: '', bad: last === undefined || isMalformed(last) };
}

function icmpText(icmp: IcmpHeader): string {
  const { message, family } = icmp;
  if (message.kind === 'echo-request' || message.kind === 'echo-reply')
    return `${message.kind.replace('-', ' ')} seq ${message.sequence}`;
  const name = family === 4 ? 'icmp' : 'icmp6';
  if (message.kind !== 'other') return `${name} ${icmpErrorText(icmp)}`;
  const known = family === 6 ? icmp6Names[message.type] : undefined;
  return `${name} ${known ?? `type ${message.type} code ${message.code}`}`;
}

function identifierOf(message: IcmpMessage): string[] {
  return 'identifier' in message ? [`id ${message.identifier}`] : [];
}

/** RFC 5952 section 6: an IPv6 address in brackets. */
function withPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function offsetOf(ip: IpHeader): number {
  return ip.layer === 'ipv4' ? ip.fragmentOffsetBytes : (ip.fragment?.offsetBytes ?? 0);
}

function isMalformed(layer: Layer | undefined): boolean {
  return layer?.layer === 'payload' && layer.malformed !== undefined;
}

function bytesIn(layer: Layer | undefined): number {
  return layer?.layer === 'payload' ? (layer satisfies Payload).bytes.length : 0;
}

function readable<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!hasCode(error, 'packet-malformed')) throw error;
    return undefined;
  }
}
