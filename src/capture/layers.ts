/** Layers of frames that may be cut, or made up in part. */
import { hasCode } from '../base/errors.ts';
import type { Ipv4Header } from '../wire/ipv4.ts';
import type { Ipv6Header } from '../wire/ipv6.ts';
import { decodePacket, type Layer } from '../wire/packet.ts';

export type IpHeader = Ipv4Header | Ipv6Header;

/** What is too short for an Ethernet header is payload, too. VXLAN is not looked for: the caller knows where it is. */
export function walk(frame: Uint8Array): readonly Layer[] {
  if (frame.length === 0) return [];
  try {
    return decodePacket(frame, { vxlanPorts: [] });
  } catch (error) {
    if (!hasCode(error, 'packet-malformed')) throw error;
    return [{ layer: 'payload', bytes: frame, malformed: error.message }];
  }
}

/** Undefined in place of `packet-malformed`. */
export function orUndefined<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!hasCode(error, 'packet-malformed')) throw error;
    return undefined;
  }
}

export function isIp(layer: Layer): layer is IpHeader {
  return layer.layer === 'ipv4' || layer.layer === 'ipv6';
}

/** Sums over bytes that are not there say nothing. */
export function withoutVerdicts(layers: readonly Layer[]): readonly Layer[] {
  return layers.map(layer =>
    'checksum' in layer && layer.checksum === 'wrong' ? { ...layer, checksum: 'unknown' as const } : layer,
  );
}

/** A copy with zeros behind, `length` bytes in all. */
export function filled(bytes: Uint8Array, length: number): Uint8Array {
  const whole = new Uint8Array(Math.max(bytes.length, length));
  whole.set(bytes);
  return whole;
}
