import { WeftError } from './errors.ts';
import {
  addressBits,
  type Family,
  familyOf,
  type IpAddress,
  ipFromBigInt,
  ipFromBytes,
  ipToBigInt,
  ipToBytes,
  ipv4ToNumber,
  tryParseIp,
} from './ip.ts';

/**
 * An address prefix as canonical text, host bits zero: `10.2.14.0/24`, `fd00::/48`. Canonical, so that `===`
 * and Map keys work.
 */
export type Prefix = string & { readonly __brand: 'Prefix' };

/** '0'. */
const zero = 0x30;

/** 0.0.0.0/0 and ::/0, the default routes' destinations. */
export const everything = { 4: '0.0.0.0/0' as Prefix, 6: '::/0' as Prefix } as const;

/**
 * Parses `address/length`; host bits are masked off, as by Go's net.ParseCIDR.
 * @throws WeftError `prefix-invalid`
 */
export function parsePrefix(text: string): Prefix {
  const prefix = tryParsePrefix(text);
  if (prefix === undefined) {
    throw new WeftError(
      'prefix-invalid',
      `expected a prefix such as 10.2.0.0/16, got ${JSON.stringify(text)}`,
    );
  }
  return prefix;
}

/** Like {@link parsePrefix}, but undefined for what is not a prefix. */
export function tryParsePrefix(text: string): Prefix | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const address = match?.[1] === undefined ? undefined : tryParseIp(match[1]);
  if (address === undefined) return undefined;
  const length = Number(match?.[2]);
  return length > addressBits[familyOf(address)] ? undefined : prefixOf(address, length);
}

/**
 * The prefix of `length` bits that contains `address`.
 * @throws WeftError `prefix-invalid` when the length does not fit the family
 */
export function prefixOf(address: IpAddress, length: number): Prefix {
  const bytes = ipToBytes(address);
  if (!Number.isInteger(length) || length < 0 || length > bytes.length * 8) {
    throw new WeftError('prefix-invalid', `prefix length ${length} does not fit the address ${address}`);
  }
  for (let index = 0; index < bytes.length; index++) {
    const keep = Math.min(8, Math.max(0, length - index * 8));
    bytes[index] = (bytes[index] ?? 0) & (0xff << (8 - keep));
  }
  return `${ipFromBytes(bytes)}/${length}` as Prefix;
}

/** The single-address prefix, `/32` or `/128`. */
export function hostPrefix(address: IpAddress): Prefix {
  return `${address}/${addressBits[familyOf(address)]}` as Prefix;
}

/** The first address: 10.2.14.0 of 10.2.14.0/24. */
export function prefixBase(prefix: Prefix): IpAddress {
  return prefix.slice(0, prefix.indexOf('/')) as IpAddress;
}

export function prefixLength(prefix: Prefix): number {
  let length = 0;
  for (let at = prefix.indexOf('/') + 1; at < prefix.length; at++)
    length = length * 10 + prefix.charCodeAt(at) - zero;
  return length;
}

export function prefixFamily(prefix: Prefix): Family {
  return prefix.includes(':') ? 6 : 4;
}

/** How many addresses the prefix holds. */
export function prefixSize(prefix: Prefix): bigint {
  return 1n << BigInt(addressBits[prefixFamily(prefix)] - prefixLength(prefix));
}

/** The last address: 10.2.14.255 of 10.2.14.0/24. */
export function prefixLast(prefix: Prefix): IpAddress {
  return ipFromBigInt(ipToBigInt(prefixBase(prefix)) + prefixSize(prefix) - 1n, prefixFamily(prefix));
}

export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  const slash = prefix.indexOf('/');
  const base = ipv4ToNumber(prefix, slash);
  const number = ipv4ToNumber(address);
  if (base !== undefined && number !== undefined) {
    const hostBits = addressBits[4] - prefixLength(prefix);
    return hostBits === 32 || base >>> hostBits === number >>> hostBits;
  }
  if (prefixFamily(prefix) !== familyOf(address)) return false;
  return prefixOf(address, prefixLength(prefix)) === prefix;
}

/** True when every address of `inner` is in `outer` (equal prefixes included). */
export function prefixCovers(outer: Prefix, inner: Prefix): boolean {
  return prefixLength(outer) <= prefixLength(inner) && prefixContains(outer, prefixBase(inner));
}

export function prefixesOverlap(one: Prefix, other: Prefix): boolean {
  return prefixCovers(one, other) || prefixCovers(other, one);
}
