import { WeftError } from '../base/errors.ts';
import { addressBits, type Family, familyOf, tryParseIp } from '../base/ip.ts';
import { everything, type Prefix, prefixOf } from '../base/prefix.ts';
import type { Subnet } from './lease.ts';

/**
 * A lease's key below `subnets/`, as flannel writes it: `10.2.14.0-24`, or `10.12.13.0-24&fd00:12:13::-56`; for
 * IPv6 alone `0.0.0.0-0&fd00:12:13::-56`.
 * @throws WeftError `subnet-key-invalid` for a subnet of no family
 */
export function formatSubnetKey(subnet: Subnet): string {
  if (subnet.ipv4 === undefined && subnet.ipv6 === undefined) {
    throw new WeftError('subnet-key-invalid', 'a subnet without IPv4 and IPv6 has no key');
  }
  const ipv4 = formatPart(subnet.ipv4 ?? everything[4]);
  return subnet.ipv6 === undefined ? ipv4 : `${ipv4}&${formatPart(subnet.ipv6)}`;
}

/**
 * The subnet of a key, undefined unless the key is exactly what {@link formatSubnetKey} gives: flannel's own
 * parser accepts leading text, host bits and other spellings, so that two keys could mean one subnet.
 */
export function parseSubnetKey(key: string): Subnet | undefined {
  const [first = '', second, ...rest] = key.split('&');
  if (rest.length > 0) return undefined;
  const ipv6 = second === undefined ? undefined : parsePart(second, 6);
  if (second !== undefined && ipv6 === undefined) return undefined;
  if (first === noIpv4) return ipv6 === undefined ? undefined : { ipv4: undefined, ipv6 };
  const ipv4 = parsePart(first, 4);
  return ipv4 === undefined ? undefined : { ipv4, ipv6 };
}

/** What flannel writes in place of the IPv4 subnet when there is none. */
const noIpv4 = formatPart(everything[4]);

function formatPart(prefix: Prefix): string {
  return prefix.replace('/', '-');
}

/** A part `address-length` in canonical spelling; no host leases everything or a single address. */
function parsePart(text: string, family: Family): Prefix | undefined {
  const dash = text.indexOf('-');
  const address = tryParseIp(text.slice(0, dash));
  const length = Number(text.slice(dash + 1));
  if (address === undefined || familyOf(address) !== family) return undefined;
  if (!Number.isInteger(length) || length < 1 || length >= addressBits[family]) return undefined;
  const prefix = prefixOf(address, length);
  return formatPart(prefix) === text ? prefix : undefined;
}
