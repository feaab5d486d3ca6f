import type { Subnet } from './lease.ts';

/**
 * What tells one subnet from another in a Map: of one family, the prefix itself, so that ten thousand peers need no more
 * texts. For people and registries it is written by `formatSubnetKey`.
 */
export function subnetId({ ipv4, ipv6 }: Subnet): string {
  if (ipv4 === undefined) return ipv6 ?? '';
  return ipv6 === undefined ? ipv4 : `${ipv4} ${ipv6}`;
}
