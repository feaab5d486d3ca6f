/**
 * Names in the firewall. What flannel has is named as in flannel (specified); what only Weft has bears its name (chosen).
 * A host of several networks (`-networks`) has chains and tables for each, so that none of them touches another's.
 */
import type { Family } from '../base/ip.ts';

/** What one network's rules are called, in both firewalls. */
export interface RuleNames {
  /** Other networks of ours may be in the same namespace. */
  readonly besideOthers: boolean;
  /** Of iptables. */
  readonly chains: Readonly<Record<ChainRole, string>>;
  readonly comments: Readonly<Record<ChainRole, string>>;
  /** Of nftables, by family. */
  readonly tables: Readonly<Record<Family, NftTableNames>>;
  /** True for the name of an iptables chain that is this network's to fill, flush and delete. */
  isOwnChain(name: string): boolean;
  isOwnTable(family: string, name: string): boolean;
}

/** `guard` filters what arrives at the tunnel's port, `inner` what comes out of the tunnel, `apart` what networks send each other. */
type ChainRole = 'masquerade' | 'forward' | 'guard' | 'inner' | 'apart';

export interface NftTableNames {
  readonly family: 'ip' | 'ip6';
  readonly name: string;
  readonly comment: string;
}

/** Of the one network of a daemon without `-networks`: flannel's own where flannel has any. */
export const flannelNames: RuleNames = {
  besideOthers: false,
  chains: {
    masquerade: 'FLANNEL-POSTRTG',
    forward: 'FLANNEL-FWD',
    guard: 'WEFT-VTEP',
    inner: 'WEFT-INNER',
    apart: 'WEFT-APART',
  },
  comments: {
    masquerade: 'flanneld masq',
    forward: 'flanneld forward',
    guard: 'weft vtep filter',
    inner: 'weft vtep filter',
    apart: 'weft apart',
  },
  tables: {
    4: { family: 'ip', name: 'flannel-ipv4', comment: 'rules for flannel-ipv4' },
    6: { family: 'ip6', name: 'flannel-ipv6', comment: 'rules for flannel-ipv6' },
  },
  isOwnChain: name =>
    /^(?:FLANNEL-POSTRTG|FLANNEL-FWD|WEFT-APART|WEFT-INNER|WEFT-VTEP(?:-[0-9a-fx]+)?)$/.test(name),
  isOwnTable: (family, name) => isTableOf(flannelNames, family, name),
};

/** flannel's names for a network that may have gone by the name `former`: chains of that are left over. */
export function flannelNamesAfter(former: string): RuleNames {
  const names = namesOfNetwork(former);
  return {
    ...flannelNames,
    isOwnChain: name => flannelNames.isOwnChain(name) || names.isOwnChain(name),
  };
}

/**
 * Of the network called `network`. iptables has room for 28 characters, of which the guard's branches need most: a name
 * that is too long for the rest, or could be taken for another's branch, goes by its hash there.
 */
export function namesOfNetwork(network: string): RuleNames {
  const tag = /^[A-Za-z0-9]{1,6}$/.test(network) ? network : sevenDigits(network);
  const comment = (what: string) => `weft ${network} ${what}`;
  const table = (family: Family): NftTableNames => ({
    family: family === 4 ? 'ip' : 'ip6',
    name: `weft-${network}-ipv${family}`,
    comment: `rules for the network ${network}`,
  });
  const names: RuleNames = {
    besideOthers: true,
    chains: {
      masquerade: `WEFT-POST-${tag}`,
      forward: `WEFT-FWD-${tag}`,
      guard: `WEFT-V-${tag}`,
      inner: `WEFT-INNER-${tag}`,
      apart: `WEFT-APART-${tag}`,
    },
    comments: {
      masquerade: comment('masq'),
      forward: comment('forward'),
      guard: comment('vtep filter'),
      inner: comment('vtep filter'),
      apart: comment('apart'),
    },
    tables: { 4: table(4), 6: table(6) },
    isOwnChain: name => {
      const [, role, own, branch] = networkChain.exec(name) ?? [];
      return own === tag && (branch === undefined || role === 'V');
    },
    isOwnTable: (family, name) => isTableOf(names, family, name),
  };
  return names;
}

const networkChain = /^WEFT-(POST|FWD|V|INNER|APART)-([A-Za-z0-9]+)(-[0-9a-fx]+)?$/;

/** What any daemon of ours may have made, for a clean-up. */
export const everyName: Pick<RuleNames, 'isOwnChain' | 'isOwnTable'> = {
  isOwnChain: name => flannelNames.isOwnChain(name) || networkChain.test(name),
  isOwnTable: (family, name) =>
    flannelNames.isOwnTable(family, name) ||
    (family === 'ip' && /^weft-.+-ipv4$/.test(name)) ||
    (family === 'ip6' && /^weft-.+-ipv6$/.test(name)),
};

function isTableOf({ tables }: RuleNames, family: string, name: string): boolean {
  return Object.values(tables).some(one => one.family === family && one.name === name);
}

/** 28 bits of FNV-1a, as seven digits: never as long as a name that goes by itself. */
function sevenDigits(text: string): string {
  let hash = 0x811c9dc5;
  for (const character of new TextEncoder().encode(text)) hash = Math.imul(hash ^ character, 0x01000193);
  return ((hash >>> 4) ^ (hash & 0xf)).toString(16).padStart(7, '0');
}

/** The iptables tables in which we or flannel ever put a chain. */
export const iptablesTableNames = ['nat', 'filter', 'mangle'] as const;
export type IptablesTableName = (typeof iptablesTableNames)[number];

/** Chains, sets and counters inside a table of nftables, which is a network's own. */
export const nftNames = {
  masquerade: 'postrtg',
  forward: 'forward',
  guard: 'vtep-input',
  inner: 'vtep-inner',
  apart: 'apart',
  peers: 'vtep-peers',
  strangers: 'vtep-strangers',
  /** Counters. */
  strangersDropped: 'vtep-strangers-dropped',
  outsidersDropped: 'vtep-outsiders-dropped',
} as const;

export const nftComments = {
  masquerade: 'chain to manage traffic masquerading by flannel',
  forward: 'chain to accept flannel traffic',
  guard: 'chain to drop tunnel packets of hosts that are no peers',
  inner: 'chain to drop packets out of the tunnel that claim a source outside the network',
  apart: 'chain to drop packets between this network and others',
} as const;
