/**
 * VLAN tags: IEEE 802.1Q clause 9. A tag is announced by the EtherType in front of it (0x8100, or 0x88a8 for the outer
 * one of a stack) and ends in the EtherType of what follows, which may be another tag.
 */
import { ByteWriter, readU16be } from '../base/bytes.ts';
import { type Decoded, requireBytes } from './packet-layer.ts';

export interface VlanTag {
  readonly layer: 'vlan';
  /** 0 to 4094; 0 means priority only. */
  readonly vlan: number;
  /** 0 to 7 (PCP). */
  readonly priority: number;
  readonly dropEligible: boolean;
  readonly etherType: number;
}

const tagBytes = 4;

/** @param bytes what follows the EtherType that announced the tag @throws WeftError `packet-malformed` */
export function decodeVlan(bytes: Uint8Array): Decoded<VlanTag> {
  requireBytes(bytes, tagBytes, 'a VLAN tag');
  const control = readU16be(bytes, 0);
  return {
    header: {
      layer: 'vlan',
      vlan: control & 0xfff,
      priority: control >>> 13,
      dropEligible: (control & 0x1000) !== 0,
      etherType: readU16be(bytes, 2),
    },
    payload: bytes.subarray(tagBytes),
  };
}

export function encodeVlan(tag: Omit<VlanTag, 'layer'>, payload: Uint8Array): Uint8Array {
  return new ByteWriter(tagBytes + payload.length)
    .u16be((tag.priority << 13) | (tag.dropEligible ? 0x1000 : 0) | tag.vlan)
    .u16be(tag.etherType)
    .bytes(payload)
    .toBytes();
}
