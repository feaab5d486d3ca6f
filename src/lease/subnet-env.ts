import { type Family, familyOf, type IpAddress, ipAdd, tryParseIp } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixLength, tryParsePrefix } from '../base/prefix.ts';
import { parseEnv } from './env-text.ts';
import type { Subnet } from './lease.ts';
import type { NetworkConfig } from './network-config.ts';

/** What subnet.env tells Docker, the CNI plugin and the next start of the daemon. */
export interface SubnetEnv {
  readonly network: Prefix | undefined;
  readonly ipv6Network: Prefix | undefined;
  /** Undefined when the file names a subnet of neither family. */
  readonly subnet: Subnet | undefined;
  /** The bridge's address, which stands in the file together with the subnet's length. */
  readonly gateway: IpAddress | undefined;
  readonly ipv6Gateway: IpAddress | undefined;
  readonly mtuBytes: number | undefined;
  /** True when the daemon masquerades, so that Docker must not. */
  readonly ipMasq: boolean | undefined;
}

/** The file's text: flannel's keys in flannel's order. A subnet appears as its first address, for the bridge. */
export function formatSubnetEnv(values: {
  readonly config: NetworkConfig;
  readonly subnet: Subnet;
  readonly mtuBytes: number;
  readonly ipMasq: boolean;
}): string {
  const { config, subnet } = values;
  const lines = [
    ...familyLines('FLANNEL', config.network, subnet.ipv4),
    ...familyLines('FLANNEL_IPV6', config.ipv6Network, subnet.ipv6),
    `FLANNEL_MTU=${values.mtuBytes}`,
    `FLANNEL_IPMASQ=${values.ipMasq}`,
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * Reads such a file, whoever wrote it and whatever happened to it since: what is missing or invalid is undefined.
 * Of a comma list, as for flannel, only a single valid entry counts.
 */
export function parseSubnetEnv(text: string): SubnetEnv {
  const env = parseEnv(text);
  const ipv4 = onlyCidr(env['FLANNEL_SUBNET'], 4);
  const ipv6 = onlyCidr(env['FLANNEL_IPV6_SUBNET'], 6);
  return {
    network: onlyCidr(env['FLANNEL_NETWORK'], 4)?.prefix,
    ipv6Network: onlyCidr(env['FLANNEL_IPV6_NETWORK'], 6)?.prefix,
    subnet: ipv4 === undefined && ipv6 === undefined ? undefined : { ipv4: ipv4?.prefix, ipv6: ipv6?.prefix },
    gateway: ipv4?.address,
    ipv6Gateway: ipv6?.address,
    mtuBytes: parseMtu(env['FLANNEL_MTU'] ?? ''),
    ipMasq: new Map([
      ['true', true],
      ['false', false],
    ]).get(env['FLANNEL_IPMASQ'] ?? ''),
  };
}

function familyLines(key: string, network: Prefix | undefined, subnet: Prefix | undefined): string[] {
  if (network === undefined || subnet === undefined) return [];
  const gateway = ipAdd(prefixBase(subnet), 1n);
  return [`${key}_NETWORK=${network}`, `${key}_SUBNET=${gateway}/${prefixLength(subnet)}`];
}

interface Cidr {
  readonly address: IpAddress;
  readonly prefix: Prefix;
}

function onlyCidr(list: string | undefined, family: Family): Cidr | undefined {
  const cidrs = (list ?? '').split(',').flatMap(text => parseCidr(text, family) ?? []);
  return cidrs.length === 1 ? cidrs[0] : undefined;
}

function parseCidr(text: string, family: Family): Cidr | undefined {
  const prefix = tryParsePrefix(text);
  const address = tryParseIp(text.slice(0, text.indexOf('/')));
  if (prefix === undefined || address === undefined || familyOf(address) !== family) return undefined;
  return { address, prefix };
}

function parseMtu(text: string): number | undefined {
  return /^[1-9][0-9]{0,5}$/.test(text) ? Number(text) : undefined;
}
