/** A family's rules as one nftables table. */
import type { Family, IpAddress } from '../base/ip.ts';
import { nftComments, nftNames } from './names.ts';
import {
  accept,
  addressMatch,
  countIn,
  drop,
  inputDeviceMatch,
  type NftRule,
  nftRule,
  rememberSource,
  sourceInSet,
  trafficRule,
  udpPortMatch,
  vniMatch,
} from './nft-rule.ts';
import type { FamilyRules, VtepGuard } from './ruleset.ts';

export interface NftTable {
  readonly family: 'ip' | 'ip6';
  readonly name: string;
  readonly comment: string;
  readonly chains: readonly NftChain[];
  /** Names of the chains in it that are ours, wanted or not. */
  readonly ownChains: readonly string[];
  /** The peers' set and what belongs to it; undefined without a guard. */
  readonly guard: { readonly peers: readonly IpAddress[] } | undefined;
}

/** A base chain. */
export interface NftChain {
  readonly name: string;
  readonly comment: string;
  readonly type: 'nat' | 'filter';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'postrouting';
  /** As a number, and as it is written. */
  readonly priority: number;
  readonly priorityText: string;
  readonly rules: readonly NftRule[];
}

const usualChains = [nftNames.masquerade, nftNames.forward, nftNames.guard, nftNames.inner];

export function nftTable(rules: FamilyRules): NftTable {
  const { family, name, comment } = rules.names.tables[rules.family];
  return {
    family,
    name,
    comment,
    chains: [...flannelChains(rules), ...apartChains(rules), ...guardChains(rules, family)],
    ownChains: rules.names.besideOthers ? [...usualChains, nftNames.apart] : usualChains,
    guard: rules.guard === undefined ? undefined : { peers: rules.guard.peers },
  };
}

export function addressTypeOf(family: Family): string {
  return family === 4 ? 'ipv4_addr' : 'ipv6_addr';
}

function flannelChains({ masquerade, forward }: FamilyRules): NftChain[] {
  const chains: NftChain[] = [];
  if (masquerade.length > 0) {
    chains.push({
      ...{ name: nftNames.masquerade, comment: nftComments.masquerade },
      ...{ type: 'nat', hook: 'postrouting', priority: 100, priorityText: 'srcnat' },
      rules: masquerade.map(trafficRule),
    });
  }
  if (forward.length > 0) {
    chains.push({
      ...{ name: nftNames.forward, comment: nftComments.forward },
      ...{ type: 'filter', hook: 'forward', priority: 0, priorityText: 'filter' },
      rules: forward.map(trafficRule),
    });
  }
  return chains;
}

/** Before everybody who may accept: in nftables a drop is final, wherever it is. */
function apartChains({ apart }: FamilyRules): NftChain[] {
  if (apart.length === 0) return [];
  return [
    {
      ...{ name: nftNames.apart, comment: nftComments.apart },
      ...{ type: 'filter', hook: 'forward', priority: -10, priorityText: 'filter - 10' },
      rules: apart.map(trafficRule),
    },
  ];
}

/**
 * At the input hook because only there a packet is known to be for this host's own tunnel (another host's may be
 * passing through) and is whole (the kernel joins fragments before); at prerouting because what comes out of the
 * tunnel goes on to containers and to the host alike.
 */
function guardChains({ guard, network }: FamilyRules, family: 'ip' | 'ip6'): NftChain[] {
  if (guard === undefined) return [];
  const strangers: NftChain = {
    ...{ name: nftNames.guard, comment: nftComments.guard },
    ...{ type: 'filter', hook: 'input', priority: -10, priorityText: 'filter - 10' },
    rules: strangerRules(guard, family),
  };
  const outsiders: NftChain = {
    ...{ name: nftNames.inner, comment: nftComments.inner },
    ...{ type: 'filter', hook: 'prerouting', priority: -300, priorityText: 'raw' },
    rules: [
      nftRule(
        inputDeviceMatch(guard.devices),
        addressMatch('saddr', { prefix: network, not: true }),
        countIn(nftNames.outsidersDropped),
        drop,
      ),
    ],
  };
  return [
    ...(strangers.rules.length > 0 ? [strangers] : []),
    ...(guard.devices.length > 0 ? [outsiders] : []),
  ];
}

function strangerRules({ ports, vxlans }: VtepGuard, family: 'ip' | 'ip6'): NftRule[] {
  const tunnels = [
    ...(ports.length === 0 ? [] : [udpPortMatch(ports)]),
    ...vxlans.map(({ port, vni }) => nftRule(udpPortMatch([port]), vniMatch(vni))),
  ];
  return tunnels.flatMap(toTunnel => [
    nftRule(toTunnel, sourceInSet(family, nftNames.peers), accept),
    // A rule of its own: it stops matching when the set of strangers is full.
    nftRule(toTunnel, rememberSource(family, nftNames.strangers)),
    nftRule(toTunnel, countIn(nftNames.strangersDropped), drop),
  ]);
}
