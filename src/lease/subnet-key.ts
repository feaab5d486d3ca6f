import { WeftError } from '../base/errors.ts';
import { addressBits, familyOf, tryParseIp } from '../base/ip.ts';
import { type Prefix, prefixFamily, prefixOf } from '../base/prefix.ts';
import type { Subnet } from './lease.ts';

/**
 * A subnet as a name without slashes, which ends its lease's key: as flannel writes it `10.2.14.0-24` or
 * `10.12.13.0-24&fd00:12:13::-56`; for IPv6 alone, where flannel has nothing sensible, `fd00:12:13::-56`.
 * @throws WeftError `subnet-key-invalid` for a subnet of no family
 */
export function formatSubnetKey({ ipv4, ipv6 }: Subnet): string {
  const parts = [ipv4, ipv6].filter(prefix => prefix !== undefined);
  if (parts.length > 0) return parts.map(formatPart).join('&');
  throw new WeftError('subnet-key-invalid', 'a subnet without IPv4 and IPv6 has no key');
}

/**
 * The subnet of a name, undefined unless the name is exactly what {@link formatSubnetKey} gives: flannel's own
 * parser accepts leading text, host bits and other spellings, so that two keys could mean one subnet.
 */
export function parseSubnetKey(key: string): Subnet | undefined {
  const and = key.indexOf('&');
  if (and < 0) {
    const prefix = parsePart(key);
    if (prefix === undefined) return undefined;
    return prefixFamily(prefix) === 4 ? { ipv4: prefix, ipv6: undefined } : { ipv4: undefined, ipv6: prefix };
  }
  const [ipv4, ipv6] = [parsePart(key.slice(0, and)), parsePart(key.slice(and + 1))];
  if (ipv4 === undefined || ipv6 === undefined) return undefined;
  return prefixFamily(ipv4) === 4 && prefixFamily(ipv6) === 6 ? { ipv4, ipv6 } : undefined;
}

function formatPart(prefix: Prefix): string {
  return prefix.replace('/', '-');
}

/** A part `address-length` in canonical spelling; no host leases everything or a single address. */
function parsePart(text: string): Prefix | undefined {
  const dash = text.indexOf('-');
  const address = tryParseIp(text.slice(0, dash));
  const length = Number(text.slice(dash + 1));
  if (address === undefined || !Number.isInteger(length)) return undefined;
  if (length < 1 || length >= addressBits[familyOf(address)]) return undefined;
  const prefix = prefixOf(address, length);
  return formatPart(prefix) === text ? prefix : undefined;
}
