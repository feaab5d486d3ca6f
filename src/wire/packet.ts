/**
 * A captured frame as its layers, outermost first:
 *
 *   Ethernet [VLAN ...] IPv4|IPv6 -> ICMP
 *                                 -> UDP -> VXLAN -> Ethernet ... (the frame inside)
 */
import { hasCode } from '../base/errors.ts';
import { decodeEthernet, type EthernetHeader, etherTypes } from './ethernet.ts';
import { decodeIcmp, type IcmpHeader } from './icmp.ts';
import { decodeIpv4, type Ipv4Header, ipProtocols } from './ipv4.ts';
import { decodeIpv6, type Ipv6Header } from './ipv6.ts';
import type { Decoded } from './packet-layer.ts';
import { decodeUdp, type UdpHeader } from './udp.ts';
import { decodeVlan, type VlanTag } from './vlan.ts';
import { decodeVxlanHeader, linuxVxlanPort, type VxlanHeader, vxlanPort } from './vxlan.ts';

export type Header =
  | EthernetHeader
  | VlanTag
  | Ipv4Header
  | Ipv6Header
  | UdpHeader
  | IcmpHeader
  | VxlanHeader;

export type Layer = Header | Payload;

/** What is not taken apart further. */
export interface Payload {
  readonly layer: 'payload';
  /** A view into the frame. */
  readonly bytes: Uint8Array;
  /** Why the layer that should be here could not be read. */
  readonly malformed: string | undefined;
}

export interface DecodePacketOptions {
  /** UDP destination ports whose datagrams are VXLAN. Default: 8472 (Linux) and 4789 (IANA). */
  readonly vxlanPorts?: readonly number[] | undefined;
}

/** Enough for VXLAN in VXLAN with VLAN tags in both; what lies deeper stays payload. */
const mostLayers = 24;

/**
 * Takes a frame apart as far as it can be understood. What is wrong below the first header ends the walk with a
 * payload that says why: a capture tool shows such packets, it does not stop at them.
 * @throws WeftError `packet-malformed` for less than an Ethernet header
 */
export function decodePacket(frame: Uint8Array, options: DecodePacketOptions = {}): readonly Layer[] {
  const ports = options.vxlanPorts ?? [linuxVxlanPort, vxlanPort];
  const layers: Layer[] = [];
  let bytes = frame;
  let decode: Decoder | undefined = decodeEthernet;
  while (decode !== undefined && layers.length < mostLayers) {
    try {
      const { header, payload } = decode(bytes);
      layers.push(header);
      bytes = payload;
      decode = decoderBehind(header, ports);
    } catch (error) {
      if (layers.length === 0 || !hasCode(error, 'packet-malformed')) throw error;
      return [...layers, { layer: 'payload', bytes, malformed: error.message }];
    }
  }
  return bytes.length === 0 ? layers : [...layers, { layer: 'payload', bytes, malformed: undefined }];
}

type Decoder = (bytes: Uint8Array) => Decoded<Header>;

function decoderBehind(header: Header, vxlanPorts: readonly number[]): Decoder | undefined {
  switch (header.layer) {
    case 'ethernet':
    case 'vlan':
      return decodersByEtherType.get(header.etherType);
    case 'ipv4':
    case 'ipv6':
      return isFragment(header) ? undefined : transportDecoder(header);
    case 'udp':
      return vxlanPorts.includes(header.destinationPort) ? decodeVxlanHeader : undefined;
    case 'vxlan':
      return decodeEthernet;
    case 'icmp':
      return undefined;
  }
}

const decodersByEtherType: ReadonlyMap<number, Decoder> = new Map<number, Decoder>([
  [etherTypes.ipv4, decodeIpv4],
  [etherTypes.ipv6, decodeIpv6],
  [etherTypes.vlan, decodeVlan],
  [etherTypes.serviceVlan, decodeVlan],
]);

/** True for any part of a packet that was cut: even the first lacks what its headers promise. */
export function isFragment(header: Ipv4Header | Ipv6Header): boolean {
  return header.layer === 'ipv4'
    ? header.moreFragments || header.fragmentOffsetBytes > 0
    : header.fragment !== undefined && (header.fragment.moreFragments || header.fragment.offsetBytes > 0);
}

function transportDecoder(header: Ipv4Header | Ipv6Header): Decoder | undefined {
  const { protocol, layer } = header;
  if (protocol === ipProtocols.udp) return bytes => decodeUdp(bytes, header);
  if (protocol === ipProtocols.icmp && layer === 'ipv4') return bytes => decodeIcmp(bytes, 4, header);
  if (protocol === ipProtocols.icmp6 && layer === 'ipv6') return bytes => decodeIcmp(bytes, 6, header);
  return undefined;
}
