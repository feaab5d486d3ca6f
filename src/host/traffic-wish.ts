/** Which traffic rules a membership asks for, and of which engine. Nothing here does anything. */
import { leasedFamilies } from '../backend/family.ts';
import type { Prefix } from '../base/prefix.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { flannelNames, flannelNamesAfter, namesOfNetwork, type RuleNames } from '../traffic/names.ts';
import type { GuardWish, TrafficWish } from '../traffic/plan.ts';
import { backendsOf, type Former, type Membership } from './membership.ts';
import { type TunnelClaim, tunnelsOf } from './tunnel-claims.ts';

/** What of the options is about traffic rules. */
export interface TrafficOptions {
  /** Name of the network among several of this host; undefined: it is the only one. */
  readonly network?: string | undefined;
  readonly ipMasq: boolean;
  /** Masquerade with fully random source ports. */
  readonly ipMasqFullyRandom: boolean;
  /** Destinations outside the network to which containers keep their own address. */
  readonly ipMasqExclude: readonly Prefix[];
  readonly iptablesForwardRules: boolean;
  /** Accept tunnel packets only from peers; undefined: as the engine makes it cheap. */
  readonly vtepFilter: boolean | undefined;
}

export function engineOf({ host }: Pick<Membership, 'host'>): 'iptables' | 'nftables' {
  return host.config.enableNftables ? 'nftables' : 'iptables';
}

/** What a network's rules are called. */
export function ruleNamesOf({
  network,
  formerNetwork,
}: Pick<TrafficOptions, 'network'> & {
  /** What it was called in the firewall when another daemon was beside it; rules of that name are left over. */
  readonly formerNetwork?: string | undefined;
}): RuleNames {
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
