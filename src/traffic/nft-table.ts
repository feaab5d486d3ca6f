/** A family's rules as one nftables table. */
import type { Family, IpAddress } from '../base/ip.ts';
import { nftComments, nftNames, nftTables } from './names.ts';
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
} from './nft-rule.ts';
import type { FamilyRules, VtepGuard } from './ruleset.ts';

export interface NftTable {
  readonly family: 'ip' | 'ip6';
  readonly name: string;
  readonly comment: string;
  readonly chains: readonly NftChain[];
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

/** The chains that are ours in our tables, whether they are wanted or not. */
export const ownNftChains: readonly string[] = [
  nftNames.masquerade,
  nftNames.forward,
  nftNames.guard,
  nftNames.inner,
];

export function nftTable(rules: FamilyRules): NftTable {
  const { family, name, comment } = nftTables[rules.family];
  return {
    family,
    name,
    comment,
    chains: [...flannelChains(rules), ...guardChains(rules, family)],
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

/**
 * At the input hook because only there a packet is known to be for this host's own tunnel (another host's may be
 * passing through) and is whole (the kernel joins fragments before); at prerouting because what comes out of the
 * tunnel goes on to containers and to the host alike.
 */
function guardChains({ guard, network }: FamilyRules, family: 'ip' | 'ip6'): NftChain[] {
  if (guard === undefined) return [];
  return [
    {
      ...{ name: nftNames.guard, comment: nftComments.guard },
      ...{ type: 'filter', hook: 'input', priority: -10, priorityText: 'filter - 10' },
      rules: strangerRules(guard, family),
    },
    {
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
    },
  ];
}

function strangerRules({ ports }: VtepGuard, family: 'ip' | 'ip6'): NftRule[] {
  const toTunnel = udpPortMatch(ports);
  return [
    nftRule(toTunnel, sourceInSet(family, nftNames.peers), accept),
    // A rule of its own: it stops matching when the set of strangers is full.
    nftRule(toTunnel, rememberSource(family, nftNames.strangers)),
    nftRule(toTunnel, countIn(nftNames.strangersDropped), drop),
  ];
}
