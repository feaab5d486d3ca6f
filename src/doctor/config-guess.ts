/** What the network config must have been, by what the hosts have made of it. */
import { tryVtepData } from '../backend/vtep.ts';
import type { Prefix } from '../base/prefix.ts';
import { prefixLength } from '../base/prefix.ts';
import type { Lease } from '../lease/lease.ts';
import type { SubnetEnv } from '../lease/subnet-env.ts';

/**
 * The config that fits subnet.env and the leases; undefined when they do not tell the network. A port, and whatever else no
 * lease says, is the default.
 */
export function guessConfig(env: SubnetEnv, leases: readonly Lease[]): string | undefined {
  const { network, ipv6Network, subnet } = env;
  if (network === undefined && ipv6Network === undefined) return undefined;
  return JSON.stringify({
    ...(network === undefined ? { EnableIPv4: false } : familyKeys('', network, subnet?.ipv4)),
    ...(ipv6Network === undefined
      ? {}
      : { EnableIPv6: true, ...familyKeys('IPv6', ipv6Network, subnet?.ipv6) }),
    Backend: backendOf(leases),
  });
}

function familyKeys(start: '' | 'IPv6', network: Prefix, subnet: Prefix | undefined) {
  const length = subnet === undefined ? {} : { [`${start}SubnetLen`]: prefixLength(subnet) };
  return { [`${start}Network`]: network, ...length };
}

/** That of most hosts. */
function backendOf(leases: readonly Lease[]): { readonly Type: string; readonly VNI?: number } {
  const counts = new Map<string, number>();
  for (const { attrs } of leases) {
    const vni = tryVtepData(attrs, 4)?.vni ?? tryVtepData(attrs, 6)?.vni;
    const words = attrs.backendType === 'vxlan' && vni !== undefined ? { VNI: vni } : {};
    const text = JSON.stringify({ Type: attrs.backendType || 'udp', ...words });
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const [most] = [...counts].sort(([, one], [, other]) => other - one);
  return most === undefined ? { Type: 'vxlan' } : JSON.parse(most[0]);
}
