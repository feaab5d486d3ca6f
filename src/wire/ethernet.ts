/** Ethernet II frames (IEEE 802.3 clause 3.2.6, RFC 894), without preamble and checksum, as Linux shows them. */
import { ByteWriter, readU16be } from '../base/bytes.ts';
import { type Mac, macFromBytes, macToBytes } from '../base/mac.ts';
import { type Decoded, requireBytes } from './packet-layer.ts';

export interface EthernetHeader {
  readonly layer: 'ethernet';
  readonly destination: Mac;
  readonly source: Mac;
  /** What follows (IANA "IEEE 802 numbers"); below 0x0600 it is a length, of a frame with an LLC header. */
  readonly etherType: number;
}

export const etherTypes = {
  ipv4: 0x0800,
  arp: 0x0806,
  /** Customer tag, 802.1Q. */
  vlan: 0x8100,
  ipv6: 0x86dd,
  /** Service tag, 802.1ad, around a customer tag. */
  serviceVlan: 0x88a8,
} as const;

export const ethernetHeaderBytes = 14;

/** @throws WeftError `packet-malformed` */
export function decodeEthernet(frame: Uint8Array): Decoded<EthernetHeader> {
  requireBytes(frame, ethernetHeaderBytes, 'an Ethernet header');
  return {
    header: {
      layer: 'ethernet',
      destination: macFromBytes(frame.subarray(0, 6)),
      source: macFromBytes(frame.subarray(6, 12)),
      etherType: readU16be(frame, 12),
    },
    payload: frame.subarray(ethernetHeaderBytes),
  };
}

export function encodeEthernet(header: Omit<EthernetHeader, 'layer'>, payload: Uint8Array): Uint8Array {
  return new ByteWriter(ethernetHeaderBytes + payload.length)
    .bytes(macToBytes(header.destination))
    .bytes(macToBytes(header.source))
    .u16be(header.etherType)
    .bytes(payload)
    .toBytes();
}
