/** A packet's layers as one line for people; see packet.ts. */
import { etherTypes } from './ethernet.ts';
import type { IcmpMessage } from './icmp.ts';
import { type Ipv4Header, ipProtocols } from './ipv4.ts';
import type { Ipv6Header } from './ipv6.ts';
import { isFragment, type Layer, type Payload } from './packet.ts';
import type { ChecksumState } from './packet-layer.ts';
import type { GroupPolicy } from './vxlan.ts';

/**
 * Such as
 * `eth 02:00:00:00:00:01 > 02:00:00:00:00:02 | ip 192.0.2.1 > 192.0.2.2 ttl 64 | udp 40000 > 8472 | vxlan vni 1 | ...`
 */
export function describePacket(layers: readonly Layer[]): string {
  return layers.map((layer, index) => describeLayer(layer, layers[index - 1])).join(' | ');
}

function describeLayer(layer: Layer, before: Layer | undefined): string {
  switch (layer.layer) {
    case 'ethernet':
      return `eth ${layer.source} > ${layer.destination}`;
    case 'vlan':
      return `vlan ${layer.vlan}${layer.priority === 0 ? '' : ` priority ${layer.priority}`}`;
    case 'ipv4':
      return `${ends('ip', layer)} ttl ${layer.ttl}${fragmentText(layer)}${warning(layer.checksum)}`;
    case 'ipv6':
      return `${ends('ip6', layer)} hops ${layer.hopLimit}${fragmentText(layer)}`;
    case 'udp':
      return `udp ${layer.sourcePort} > ${layer.destinationPort}${unfinished(layer.checksum)}`;
    case 'icmp':
      return `${layer.family === 4 ? 'icmp' : 'icmp6'} ${icmpText(layer.message)}${warning(layer.checksum)}`;
    case 'vxlan':
      return `vxlan vni ${layer.vni}${layer.groupPolicy === undefined ? '' : groupText(layer.groupPolicy)}`;
    case 'payload':
      return payloadText(layer, before);
  }
}

function ends(name: string, { source, destination }: Ipv4Header | Ipv6Header): string {
  return `${name} ${source} > ${destination}`;
}

function fragmentText(header: Ipv4Header | Ipv6Header): string {
  if (!isFragment(header)) return '';
  const offset = header.layer === 'ipv4' ? header.fragmentOffsetBytes : header.fragment?.offsetBytes;
  return ` fragment at ${offset}`;
}

function icmpText(message: IcmpMessage): string {
  switch (message.kind) {
    case 'echo-request':
    case 'echo-reply':
      return `${message.kind.replace('-', ' ')} id ${message.identifier} seq ${message.sequence}`;
    case 'unreachable':
    case 'time-exceeded':
      return `${message.kind.replace('-', ' ')} code ${message.code}`;
    case 'too-big':
      return `too big, mtu ${message.mtuBytes}`;
    case 'parameter-problem':
      return `parameter problem at byte ${message.pointer}`;
    case 'other':
      return `type ${message.type} code ${message.code}`;
  }
}

function groupText({ id, dontLearn, applied }: GroupPolicy): string {
  return ` group ${id}${dontLearn ? ' dont-learn' : ''}${applied ? ' applied' : ''}`;
}

/** Names what the header before said would follow, where it is not taken apart: `tcp, 40 bytes`. */
function payloadText({ bytes, malformed }: Payload, before: Layer | undefined): string {
  const name = nameBehind(before);
  const size = `${name === undefined ? '' : `${name}, `}${bytes.length} bytes`;
  return malformed === undefined ? size : `${size}, ${malformed}`;
}

function nameBehind(before: Layer | undefined): string | undefined {
  switch (before?.layer) {
    case 'ethernet':
    case 'vlan':
      if (before.etherType < 0x600) return 'llc';
      return (
        nameIn(etherTypes, before.etherType) ??
        `ethertype 0x${before.etherType.toString(16).padStart(4, '0')}`
      );
    case 'ipv4':
    case 'ipv6':
      return nameIn(ipProtocols, before.protocol) ?? `protocol ${before.protocol}`;
    default:
      return undefined;
  }
}

function nameIn(names: Readonly<Record<string, number>>, number: number): string | undefined {
  return Object.entries(names).find(([, value]) => value === number)?.[0];
}

/** What the sender leaves to its network card is wrong in a capture on the sender itself. */
function unfinished(checksum: ChecksumState): string {
  return checksum === 'wrong' ? ' unfinished or wrong checksum' : '';
}

function warning(checksum: ChecksumState): string {
  return checksum === 'wrong' ? ' WRONG CHECKSUM' : '';
}
