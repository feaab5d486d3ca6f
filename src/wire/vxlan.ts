/**
 * The VXLAN header: RFC 7348 section 5, with the group policy of draft-smith-vxlan-group-policy-05. Devices of that
 * kind are in vxlan-link.ts.
 *
 *   |G R R R I R R R|R D R R A R R R|        group policy id        |
 *   |                      VNI                      |    reserved   |
 */
import { ByteWriter, readU8, readU16be, readU32be } from '../base/bytes.ts';
import { type Decoded, packetMalformed, requireBytes } from './packet-layer.ts';

export interface VxlanHeader {
  readonly layer: 'vxlan';
  /** VXLAN network identifier, 0 to 2^24 - 1. */
  readonly vni: number;
  /** Undefined without the G bit: the device is not one with `gbp`. */
  readonly groupPolicy: GroupPolicy | undefined;
}

/** In Linux the mark of the packet carries it (drivers/net/vxlan, VXLAN_GBP_*). */
export interface GroupPolicy {
  /** Group of the sender, 16 bits. */
  readonly id: number;
  /** The D bit: the receiver shall not learn the sender's address. */
  readonly dontLearn: boolean;
  /** The A bit: the policy was applied already. */
  readonly applied: boolean;
}

/** Specified: the port of RFC 7348. */
export const vxlanPort = 4789;

/** Specified: the port that Linux had before there was one, and has kept as its default; flannel's too. */
export const linuxVxlanPort = 8472;

const headerBytes = 8;
const flag = { groupPolicy: 0x80, vniValid: 0x08, dontLearn: 0x40, applied: 0x08 } as const;

/** @throws WeftError `packet-malformed`, also without the I bit: RFC 7348 wants such packets dropped */
export function decodeVxlanHeader(bytes: Uint8Array): Decoded<VxlanHeader> {
  requireBytes(bytes, headerBytes, 'a VXLAN header');
  const flags = readU8(bytes, 0);
  if ((flags & flag.vniValid) === 0) {
    throw packetMalformed(`VXLAN flags 0x${flags.toString(16).padStart(2, '0')} say that there is no VNI`);
  }
  return {
    header: {
      layer: 'vxlan',
      vni: readU32be(bytes, 4) >>> 8,
      groupPolicy: (flags & flag.groupPolicy) === 0 ? undefined : decodeGroupPolicy(bytes),
    },
    payload: bytes.subarray(headerBytes),
  };
}

export function encodeVxlanHeader(
  { vni, groupPolicy }: Pick<VxlanHeader, 'vni'> & Partial<VxlanHeader>,
  payload: Uint8Array,
): Uint8Array {
  const dontLearn = groupPolicy?.dontLearn === true ? flag.dontLearn : 0;
  const applied = groupPolicy?.applied === true ? flag.applied : 0;
  return new ByteWriter(headerBytes + payload.length)
    .u8(flag.vniValid | (groupPolicy === undefined ? 0 : flag.groupPolicy))
    .u8(dontLearn | applied)
    .u16be(groupPolicy?.id ?? 0)
    .u32be((vni << 8) >>> 0)
    .bytes(payload)
    .toBytes();
}

function decodeGroupPolicy(bytes: Uint8Array): GroupPolicy {
  const bits = readU8(bytes, 1);
  return {
    id: readU16be(bytes, 2),
    dontLearn: (bits & flag.dontLearn) !== 0,
    applied: (bits & flag.applied) !== 0,
  };
}
