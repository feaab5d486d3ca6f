import { WeftError } from './errors.ts';

/** Address family, by the number in its name. The kernel's AF_* numbers live in `wire`. */
export type Family = 4 | 6;

/**
 * An IP address as canonical text: dotted quad, or RFC 5952 for IPv6. Canonical, so that `===`, a Map key and
 * a line of output all work without conversion.
 */
export type IpAddress = string & { readonly __brand: 'IpAddress' };

/** Bits in an address of the family: 32 or 128. */
export const addressBits = { 4: 32, 6: 128 } as const;

/** 0.0.0.0 and ::, "no address". */
export const unspecified = { 4: '0.0.0.0' as IpAddress, 6: '::' as IpAddress } as const;

/**
 * Parses an IPv4 or IPv6 address; leading zeros in a dotted quad and IPv6 zones are refused, as by Go's
 * net.ParseIP. An IPv4-mapped IPv6 address (::ffff:10.0.0.1) stays IPv6.
 * @throws WeftError `ip-invalid`
 */
export function parseIp(text: string): IpAddress {
  const address = tryParseIp(text);
  if (address === undefined) {
    throw new WeftError('ip-invalid', `expected an IPv4 or IPv6 address, got ${JSON.stringify(text)}`);
  }
  return address;
}

/** Like {@link parseIp}, but undefined for what is not an address. */
export function tryParseIp(text: string): IpAddress | undefined {
  // A dotted quad without leading zeros is canonical as it is.
  if (!text.includes(':')) return ipv4ToNumber(text) === undefined ? undefined : (text as IpAddress);
  const bytes = parseIpv6(text);
  return bytes === undefined ? undefined : ipFromBytes(bytes);
}

export function familyOf(address: IpAddress): Family {
  return address.includes(':') ? 6 : 4;
}

export function isUnspecified(address: IpAddress): boolean {
  return address === unspecified[4] || address === unspecified[6];
}

/** The 4 or 16 bytes of the address, in network order. */
export function ipToBytes(address: IpAddress): Uint8Array {
  const bytes = address.includes(':') ? parseIpv6(address) : parseIpv4(address);
  if (bytes === undefined) throw new WeftError('ip-invalid', `not a canonical address: ${address}`);
  return bytes;
}

/**
 * The canonical address of 4 or 16 bytes in network order.
 * @throws WeftError `ip-invalid` for any other length
 */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}` as IpAddress;
  if (bytes.length === 16) return formatIpv6(bytes) as IpAddress;
  throw new WeftError('ip-invalid', `an address has 4 or 16 bytes, got ${bytes.length}`);
}

export function ipToBigInt(address: IpAddress): bigint {
  const number = ipv4ToNumber(address);
  if (number !== undefined) return BigInt(number);
  let value = 0n;
  for (const byte of ipToBytes(address)) value = (value << 8n) | BigInt(byte);
  return value;
}

/**
 * The address whose number is `value`.
 * @throws WeftError `ip-invalid` when the number does not fit the family
 */
export function ipFromBigInt(value: bigint, family: Family): IpAddress {
  const bits = addressBits[family];
  if (value < 0n || value >> BigInt(bits) !== 0n) {
    throw new WeftError('ip-invalid', `number ${value} is outside the IPv${family} address space`);
  }
  const bytes = new Uint8Array(bits / 8);
  for (let index = bytes.length - 1, rest = value; index >= 0; index--, rest >>= 8n) {
    bytes[index] = Number(rest & 0xffn);
  }
  return ipFromBytes(bytes);
}

/** `address` plus `count` (may be negative). @throws WeftError `ip-invalid` on overflow */
export function ipAdd(address: IpAddress, count: bigint): IpAddress {
  return ipFromBigInt(ipToBigInt(address) + count, familyOf(address));
}

/** By character, since a lease event of ten thousand peers asks a hundred thousand times. */
function parseIpv4(text: string): Uint8Array | undefined {
  const number = ipv4ToNumber(text);
  if (number === undefined) return undefined;
  return Uint8Array.of(number >>> 24, (number >>> 16) & 0xff, (number >>> 8) & 0xff, number & 0xff);
}

/** The 32 bits of a dotted quad, which is the text up to `end`; undefined for what is none. */
export function ipv4ToNumber(text: string, end = text.length): number | undefined {
  let number = 0;
  let octet = 0;
  let digits = 0;
  let octets = 1;
  for (let index = 0; index < end; index++) {
    const code = text.charCodeAt(index);
    if (code === dot) {
      if (digits === 0 || octets === 4) return undefined;
      number = number * 256 + octet;
      octet = 0;
      digits = 0;
      octets++;
    } else {
      const digit = code - zero;
      if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return undefined;
      octet = octet * 10 + digit;
      digits++;
      if (octet > 255) return undefined;
    }
  }
  return digits === 0 || octets !== 4 ? undefined : number * 256 + octet;
}

const dot = 0x2e;
const zero = 0x30;

/** RFC 4291 section 2.2: groups of hex, one `::`, and an optional dotted quad at the end. */
function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [index, group] of groups.entries()) {
    if (mayEndInIpv4 && index === groups.length - 1 && group.includes('.')) {
      const quad = parseIpv4(group);
      if (quad === undefined) return undefined;
      bytes.push(...quad);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

/** RFC 5952 section 4: lower case, no leading zeros, the longest (first) run of two or more zero groups as `::`. */
function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2) {
    groups.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0));
  }
  if (isIpv4Mapped(groups)) return `::ffff:${bytes.subarray(12).join('.')}`;
  const run = longestZeroRun(groups);
  const hex = groups.map(group => group.toString(16));
  if (run.length < 2) return hex.join(':');
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`;
}

/** RFC 5952 section 5: ::ffff:0:0/96 is written with a dotted quad. */
function isIpv4Mapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every(group => group === 0);
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let index = 0; index < groups.length; index++) {
    if (groups[index] !== 0) start = index + 1;
    else if (index + 1 - start > best.length) best = { start, length: index + 1 - start };
  }
  return best;
}
