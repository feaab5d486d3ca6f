import { WeftError } from './errors.ts';

/** A 48-bit Ethernet address as lower-case text, `0a:1b:2c:3d:4e:5f`. */
export type Mac = string & { readonly __brand: 'Mac' };

export const zeroMac = '00:00:00:00:00:00' as Mac;

/**
 * Parses the 48-bit forms that Go's net.ParseMAC accepts: colons, hyphens, or Cisco's dots.
 * @throws WeftError `mac-invalid`
 */
export function parseMac(text: string): Mac {
  if (/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(text)) return text as Mac;
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
  const bytes = new Uint8Array(6);
  for (let index = 0; index < 6; index++) {
    bytes[index] = hexDigit(mac, index * 3) * 16 + hexDigit(mac, index * 3 + 1);
  }
  return bytes;
}

/** Of lower-case text. */
function hexDigit(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code < 0x3a ? code - 0x30 : code - 0x57;
}

const octetTexts = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** @throws WeftError `mac-invalid` unless there are six bytes */
export function macFromBytes(bytes: Uint8Array): Mac {
  if (bytes.length !== 6) throw new WeftError('mac-invalid', `a MAC has 6 bytes, got ${bytes.length}`);
  let text = octetTexts[bytes[0] ?? 0] ?? '';
  for (let index = 1; index < 6; index++) text += `:${octetTexts[bytes[index] ?? 0]}`;
  return text as Mac;
}

/** True for group addresses (multicast and broadcast), which can never be a VTEP's own. */
export function isMulticastMac(mac: Mac): boolean {
  return (hexDigit(mac, 1) & 1) === 1;
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
