import { WeftError } from './errors.ts';

/** A 48-bit Ethernet address as lower-case text, `0a:1b:2c:3d:4e:5f`. */
export type Mac = string & { readonly __brand: 'Mac' };

export const zeroMac = '00:00:00:00:00:00' as Mac;

/**
 * Parses the 48-bit forms that Go's net.ParseMAC accepts: colons, hyphens, or Cisco's dots.
 * @throws WeftError `mac-invalid`
 */
export function parseMac(text: string): Mac {
  const hex =
    /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i.test(text) ||
    /^([0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text)
      ? text.replace(/[:.-]/g, '').toLowerCase()
      : undefined;
  if (hex === undefined) {
    throw new WeftError(
      'mac-invalid',
      `expected a MAC such as 0a:1b:2c:3d:4e:5f, got ${JSON.stringify(text)}`,
    );
  }
  return hex.replace(/..(?=.)/g, '$&:') as Mac;
}

export function macToBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), octet => Number.parseInt(octet, 16));
}

/** @throws WeftError `mac-invalid` unless there are six bytes */
export function macFromBytes(bytes: Uint8Array): Mac {
  if (bytes.length !== 6) throw new WeftError('mac-invalid', `a MAC has 6 bytes, got ${bytes.length}`);
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(':') as Mac;
}

/** True for group addresses (multicast and broadcast), which can never be a VTEP's own. */
export function isMulticastMac(mac: Mac): boolean {
  return ((macToBytes(mac)[0] ?? 0) & 1) === 1;
}

/**
 * A locally administered unicast MAC from six random bytes, by flannel's rule: first byte `(b & 0xfe) | 0x02`
 * (IEEE 802 section 8.2: U/L bit set, I/G bit clear).
 */
export function macFromRandom(random: Uint8Array): Mac {
  const bytes = Uint8Array.from(random.subarray(0, 6));
  bytes[0] = ((bytes[0] ?? 0) & 0xfe) | 0x02;
  return macFromBytes(bytes);
}
