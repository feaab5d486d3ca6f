import type { Family, IpAddress } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';
import type { RuleNames } from './names.ts';

/** The traffic rules of one host, free of any firewall's language: what iptables-text and nft-text are made of. */
export interface Ruleset {
  /** One for each enabled family. */
  readonly families: readonly FamilyRules[];
}

/** One family's rules; IPv4 and IPv6 differ by value alone. */
export interface FamilyRules {
  readonly family: Family;
  readonly names: RuleNames;
  /** The cluster network, C in flannel's rules. */
  readonly network: Prefix;
  /** This host's own subnet, S. */
  readonly subnet: Prefix;
  /** For packets that leave the host, in this order; none when masquerading is off. */
  readonly masquerade: readonly Rule[];
  /** For packets that the host forwards, in this order; none when forward rules are off. */
  readonly forward: readonly Rule[];
  /** What the host forwards between this network and others that it is kept apart from: none of it. */
  readonly apart: readonly Rule[];
  readonly guard: VtepGuard | undefined;
}

/** A rule applies to packets that meet all its conditions. */
export interface Rule {
  /** Bits of the packet's mark that must be set. */
  readonly markBits?: number;
  readonly source?: Scope;
  readonly destination?: Scope;
  readonly verdict: Verdict;
}

/** The addresses of a prefix, or all but those. */
export interface Scope {
  readonly prefix: Prefix;
  readonly not: boolean;
}

export type Verdict = 'accept' | 'drop' | 'return' | 'masquerade' | 'masquerade-fully-random';

/** Who may send into the overlay from the underlay, and with which inner addresses. */
export interface VtepGuard {
  /** UDP ports of the tunnel, ascending: only peers may send to them. */
  readonly ports: readonly number[];
  /** At ports that other networks have too: only what is of this network is looked at. */
  readonly vxlans: readonly VxlanTunnel[];
  /** Tunnel devices; what comes out of them must have a source inside the network. None: they are elsewhere. */
  readonly devices: readonly string[];
  /** Underlay addresses of the peers in this family, without duplicates. */
  readonly peers: readonly IpAddress[];
}

/** A network's packets among those of others at one UDP port. */
export interface VxlanTunnel {
  readonly port: number;
  readonly vni: number;
}
