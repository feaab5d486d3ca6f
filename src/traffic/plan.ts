import type { Family, IpAddress } from '../base/ip.ts';
import { type Prefix, prefixFamily } from '../base/prefix.ts';
import type { LeaseAttrs, Subnet } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { flannelNames, type RuleNames } from './names.ts';
import type { FamilyRules, Rule, Ruleset, Scope, VtepGuard, VxlanTunnel } from './ruleset.ts';

/** What the traffic rules follow from. */
export interface TrafficWish {
  readonly config: Pick<NetworkConfig, 'network' | 'ipv6Network'>;
  /** Our own. */
  readonly subnet: Subnet;
  readonly ipMasq: boolean;
  /** Random source ports for masqueraded connections, against lost races of the kernel's port choice. */
  readonly fullyRandom: boolean;
  /** Destinations to which containers keep their own address. */
  readonly ipMasqExclude: readonly Prefix[];
  readonly forwardRules: boolean;
  /** Undefined: everybody may send into the tunnel. */
  readonly guard: GuardWish | undefined;
  /** Networks of the same namespace to and from which nothing is forwarded. */
  readonly apart?: readonly Prefix[] | undefined;
  /** {@link flannelNames} unless given. */
  readonly names?: RuleNames | undefined;
}

export interface GuardWish {
  /** UDP ports of the backend: 8472 for VXLAN, 8285 for udp, unless configured. */
  readonly ports: readonly number[];
  readonly vxlans?: readonly VxlanTunnel[] | undefined;
  readonly devices: readonly string[];
}

/** What a peer sends from: the addresses in its lease. */
export type PeerAddresses = Pick<LeaseAttrs, 'publicIp' | 'publicIpv6'>;

/** The rules of every family that has a network and a subnet. */
export function planTraffic(wish: TrafficWish, peers: Iterable<PeerAddresses>): Ruleset {
  const known = [...peers];
  const { config, subnet } = wish;
  return {
    families: [
      ...planFamily(4, config.network, subnet.ipv4, wish, known),
      ...planFamily(6, config.ipv6Network, subnet.ipv6, wish, known),
    ],
  };
}

export function peerAddress(peer: PeerAddresses, family: Family): IpAddress | undefined {
  return family === 4 ? peer.publicIp : peer.publicIpv6;
}

/** The same rules without random source ports, for tools and kernels that do not know them. */
export function withoutFullyRandom(ruleset: Ruleset): Ruleset {
  const plain = (rule: Rule): Rule =>
    rule.verdict === 'masquerade-fully-random' ? { ...rule, verdict: 'masquerade' } : rule;
  return {
    families: ruleset.families.map(rules => ({ ...rules, masquerade: rules.masquerade.map(plain) })),
  };
}

/** Specified: Kubernetes' kube-proxy marks with it what it will masquerade itself. */
const kubeProxyMarkBit = 0x4000;

const multicast = { 4: '224.0.0.0/4' as Prefix, 6: 'ff00::/8' as Prefix } as const;

function planFamily(
  family: Family,
  network: Prefix | undefined,
  subnet: Prefix | undefined,
  wish: TrafficWish,
  peers: readonly PeerAddresses[],
): FamilyRules[] {
  if (network === undefined || subnet === undefined) return [];
  return [
    {
      family,
      names: wish.names ?? flannelNames,
      network,
      subnet,
      masquerade: wish.ipMasq ? masqueradeRules(family, network, subnet, wish) : [],
      forward: wish.forwardRules ? forwardRules(network) : [],
      apart: apartRules(network, wish.apart ?? []),
      guard: wish.guard === undefined ? undefined : guardOf(wish.guard, family, peers),
    },
  ];
}

/** The rules and the order of flannel's iptables mode (v0.28), for both engines; the exclusions are ours. */
function masqueradeRules(
  family: Family,
  network: Prefix,
  subnet: Prefix,
  { fullyRandom, ipMasqExclude }: TrafficWish,
): Rule[] {
  const masquerade = fullyRandom ? 'masquerade-fully-random' : 'masquerade';
  const excluded = ipMasqExclude.filter(prefix => prefixFamily(prefix) === family);
  return [
    { markBits: kubeProxyMarkBit, verdict: 'return' },
    // From own containers to any: the far side sees who it is.
    { source: only(subnet), destination: only(network), verdict: 'return' },
    { source: only(network), destination: only(subnet), verdict: 'return' },
    // From outside to own containers, such as through a published port.
    { source: allBut(network), destination: only(subnet), verdict: 'return' },
    ...excluded.map(
      (prefix): Rule => ({ source: only(network), destination: only(prefix), verdict: 'return' }),
    ),
    { source: only(network), destination: allBut(multicast[family]), verdict: masquerade },
    // The host itself, or somebody beyond it, to a container elsewhere: its answers must come back through here.
    { source: allBut(network), destination: only(network), verdict: masquerade },
  ];
}

function forwardRules(network: Prefix): Rule[] {
  return [
    { source: only(network), verdict: 'accept' },
    { destination: only(network), verdict: 'accept' },
  ];
}

/** Of a family's own alone: those of the other never meet. Both ways, so that no answer comes across either. */
function apartRules(network: Prefix, others: readonly Prefix[]): Rule[] {
  return others
    .filter(other => prefixFamily(other) === prefixFamily(network))
    .flatMap(other => [
      { source: only(network), destination: only(other), verdict: 'drop' },
      { source: only(other), destination: only(network), verdict: 'drop' },
    ]);
}

function guardOf(wish: GuardWish, family: Family, peers: readonly PeerAddresses[]): VtepGuard {
  const addresses = peers.map(peer => peerAddress(peer, family)).filter(address => address !== undefined);
  return {
    ports: [...new Set(wish.ports)].sort((a, b) => a - b),
    vxlans: wish.vxlans ?? [],
    devices: [...new Set(wish.devices)],
    peers: [...new Set(addresses)],
  };
}

function only(prefix: Prefix): Scope {
  return { prefix, not: false };
}

function allBut(prefix: Prefix): Scope {
  return { prefix, not: true };
}
