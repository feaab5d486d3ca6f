import { WeftError } from '../base/errors.ts';
import { addressBits, type Family, type IpAddress, ipAdd, ipToBigInt, isUnspecified } from '../base/ip.ts';
import {
  type Prefix,
  prefixBase,
  prefixContains,
  prefixFamily,
  prefixLast,
  prefixLength,
  prefixOf,
} from '../base/prefix.ts';

/** The subnets that hosts may lease in one family: those of `length` bits whose base is from `min` to `max`. */
export interface SubnetRange {
  readonly network: Prefix;
  readonly length: number;
  /** Base of the first and of the last subnet. */
  readonly min: IpAddress;
  readonly max: IpAddress;
}

/** What the configuration says about a range; undefined, a length of 0 and 0.0.0.0 or :: mean "derive it". */
export interface RangeWish {
  readonly network: Prefix | undefined;
  readonly length: number | undefined;
  readonly min: IpAddress | undefined;
  readonly max: IpAddress | undefined;
}

/** What differs between the families: flannel's names and limits. */
const rules = {
  4: {
    network: 'Network',
    length: 'SubnetLen',
    min: 'SubnetMin',
    max: 'SubnetMax',
    /** Room for a tunnel and a bridge address on each host. */
    longestSubnet: 30,
    /** Four subnets of the longest length. */
    longestNetwork: 28,
    usualSubnet: 24,
    exampleNetwork: '10.5.0.0/16',
  },
  6: {
    network: 'IPv6Network',
    length: 'IPv6SubnetLen',
    min: 'IPv6SubnetMin',
    max: 'IPv6SubnetMax',
    longestSubnet: 126,
    longestNetwork: 124,
    usualSubnet: 64,
    exampleNetwork: 'fd00:10:5::/48',
  },
} as const;

/**
 * The range of one enabled family, with flannel's derivations (the usual length, or a quarter of a smaller
 * network; from the second subnet to the last) and its checks in its order; and one more, that min <= max.
 * @throws WeftError `config-invalid`
 */
export function deriveRange(family: Family, wish: RangeWish): SubnetRange {
  const rule = rules[family];
  const network = checkNetwork(family, wish.network);
  const length = deriveLength(family, network, wish.length ?? 0);
  const last = prefixLast(network);
  const min = given(wish.min) ?? ipAdd(prefixBase(network), 1n << BigInt(addressBits[family] - length));
  const max = given(wish.max) ?? prefixBase(prefixOf(last, length));
  checkInside(rule.min, min, rule.network, network);
  checkInside(rule.max, max, rule.network, network);
  checkBoundary(rule.min, min, rule.length, length);
  checkBoundary(rule.max, max, rule.length, length);
  const range = { network, length, min, max };
  if (countRange(range) < 1n) {
    throw invalid(
      `${rule.min} ${min} is above ${rule.max} ${max}: no subnet is left to lease`,
      `let ${rule.min} be the base of the first subnet and ${rule.max} that of the last, or leave both out`,
    );
  }
  return range;
}

/** How many subnets the range holds. */
export function countRange(range: SubnetRange): bigint {
  return ((ipToBigInt(range.max) - ipToBigInt(range.min)) >> hostBits(range)) + 1n;
}

/** Bits of an address that are the host's own: 8 for a /24 of IPv4. */
export function hostBits(range: SubnetRange): bigint {
  return BigInt(addressBits[prefixFamily(range.network)] - range.length);
}

function checkNetwork(family: Family, network: Prefix | undefined): Prefix {
  const rule = rules[family];
  if (network !== undefined && prefixLength(network) > 0) return network;
  const found = network === undefined ? 'not given' : `${network}`;
  throw invalid(
    `${rule.network} is ${found}, expected the prefix that all hosts share: define a correct ${rule.network} parameter`,
    `add "${rule.network}": "${rule.exampleNetwork}", or switch the family off with "EnableIPv${family}": false`,
  );
}

function deriveLength(family: Family, network: Prefix, length: number): number {
  const rule = rules[family];
  const networkLength = prefixLength(network);
  if (length > rule.longestSubnet) {
    throw invalid(
      `${rule.length} is ${length}, but must be less than /${rule.longestSubnet + 1}: a subnet needs room for a tunnel and a bridge`,
      `set ${rule.length} from ${networkLength + 2} to ${rule.longestSubnet}, or leave it out`,
    );
  }
  if (length > 0 && length < networkLength + 2) {
    throw invalid(
      `${rule.length} is ${length} in ${rule.network} ${network}, expected at least ${networkLength + 2}: the network must be able to accommodate at least four subnets`,
      `set ${rule.length} to ${networkLength + 2} or more, or leave it out`,
    );
  }
  if (length > 0) return length;
  if (networkLength > rule.longestNetwork) {
    throw invalid(
      `${rule.network} ${network} is too small: the minimum useful prefix is /${rule.longestNetwork}`,
      `use a ${rule.network} with a length of ${rule.longestNetwork} or less, such as ${rule.exampleNetwork}`,
    );
  }
  return Math.max(rule.usualSubnet, networkLength + 2);
}

function checkInside(key: string, address: IpAddress, networkKey: string, network: Prefix): void {
  if (prefixContains(network, address)) return;
  throw invalid(
    `${key} ${address} is not in the range of the ${networkKey} ${network}`,
    `choose ${key} from ${prefixBase(network)} to ${prefixLast(network)}, or leave it out`,
  );
}

function checkBoundary(key: string, address: IpAddress, lengthKey: string, length: number): void {
  const subnet = prefixOf(address, length);
  if (prefixBase(subnet) === address) return;
  throw invalid(
    `${key} is not on a ${lengthKey} boundary: ${address}, expected the base of a /${length}`,
    `set ${key} to ${prefixBase(subnet)}`,
  );
}

function given(address: IpAddress | undefined): IpAddress | undefined {
  return address === undefined || isUnspecified(address) ? undefined : address;
}

function invalid(message: string, remedy: string): WeftError {
  return new WeftError('config-invalid', message, { remedy });
}
