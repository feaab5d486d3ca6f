/** Which traffic rules a membership asks for, and of which engine. Nothing here does anything. */
import { leasedFamilies } from '../backend/family.ts';
import type { Prefix } from '../base/prefix.ts';
import type { EngineName } from '../firewall/engine.ts';
import { backendsOf, type Former, type Membership } from '../host/membership.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { flannelNames, flannelNamesAfter, namesOfNetwork, type RuleNames } from '../traffic/names.ts';
import type { GuardWish, TrafficWish } from '../traffic/plan.ts';
import { type TunnelClaim, tunnelsOf } from './network-claims.ts';
import type { DaemonOptions } from './options.ts';

/** What of the options is about traffic rules. */
export type TrafficOptions = Pick<
  DaemonOptions,
  'network' | 'ipMasq' | 'ipMasqFullyRandom' | 'ipMasqExclude' | 'iptablesForwardRules' | 'vtepFilter'
>;

export function engineOf({ host }: Pick<Membership, 'host'>): EngineName {
  return host.config.enableNftables ? 'nftables' : 'iptables';
}

/** What a network's rules are called. */
export function ruleNamesOf({
  network,
  formerNetwork,
}: Pick<DaemonOptions, 'network' | 'formerNetwork'>): RuleNames {
  if (network !== undefined) return namesOfNetwork(network);
  return formerNetwork === undefined ? flannelNames : flannelNamesAfter(formerNetwork);
}

/**
 * Undefined when there shall be no rules at all: then no firewall is needed either.
 * @param apart address spaces of other networks to and from which nothing shall be forwarded
 */
export function trafficWishOf(
  options: TrafficOptions,
  membership: Pick<Membership, 'backend' | 'host' | 'former'>,
  apart: readonly Prefix[] = [],
): TrafficWish | undefined {
  const { network, ipMasq, ipMasqFullyRandom, ipMasqExclude, iptablesForwardRules } = options;
  const { host } = membership;
  const guard = guardOf(options, membership);
  if (!ipMasq && !iptablesForwardRules && guard === undefined && apart.length === 0) return undefined;
  return {
    ...(network === undefined ? {} : { names: namesOfNetwork(network), apart }),
    config: host.config,
    subnet: host.lease.subnet,
    ipMasq,
    fullyRandom: ipMasqFullyRandom,
    ipMasqExclude,
    forwardRules: iptablesForwardRules,
    guard,
  };
}

function guardOf(
  { network, vtepFilter }: TrafficOptions,
  membership: Pick<Membership, 'backend' | 'host' | 'former'>,
): GuardWish | undefined {
  // On where a peer more costs one set element, off where it costs a program (docs/adr/0012-guarded-vtep.md).
  const filtered = vtepFilter ?? engineOf(membership) === 'nftables';
  const backends = backendsOf(membership);
  const tunnels = backends.flatMap(({ backend, host }) => tunnelsOf(backend, host.config));
  if (!filtered || tunnels.length === 0) return undefined;
  const tunnelled = backends.filter(({ backend }) => backend.udpPorts.length > 0);
  const devices = [...new Set(tunnelled.flatMap(tunnelDevices))];
  const ports = (some: readonly TunnelClaim[]) => [...new Set(some.map(({ port }) => port))];
  if (network === undefined) return { ports: ports(tunnels), devices };
  const vxlans = tunnels.flatMap(tunnel => (tunnel.type === 'vxlan' ? [tunnel] : []));
  return { ports: ports(tunnels.filter(({ type }) => type !== 'vxlan')), vxlans, devices };
}

/** The part of a wish that is for the namespace of the devices, when the underlay is in another. */
export function wishInside(wish: TrafficWish): TrafficWish {
  const { guard } = wish;
  return { ...wish, guard: guard && { ports: [], devices: guard.devices } };
}

/** The part that is for the underlay; undefined when there is none. */
export function wishOnUnderlay(wish: TrafficWish): TrafficWish | undefined {
  const { guard } = wish;
  if (guard === undefined) return undefined;
  return { ...wish, ipMasq: false, forwardRules: false, apart: [], guard: { ...guard, devices: [] } };
}

/** Those of the families in which this host has a subnet. */
function tunnelDevices({ backend, host }: Former): LinkName[] {
  return leasedFamilies(host).map(family => backend.tunnelDevice(family, host.external));
}
