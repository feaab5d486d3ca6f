/** Names in the firewall. What flannel has is named as in flannel (specified); what only Weft has bears its name (chosen). */
import type { Family } from '../base/ip.ts';

export const iptablesChains = {
  masquerade: 'FLANNEL-POSTRTG',
  forward: 'FLANNEL-FWD',
  /** Filters what arrives at the tunnel's port; WEFT-VTEP-<hex> are its branches. */
  guard: 'WEFT-VTEP',
  /** Filters what comes out of the tunnel. */
  inner: 'WEFT-INNER',
} as const;

export const iptablesComments = {
  masquerade: 'flanneld masq',
  forward: 'flanneld forward',
  guard: 'weft vtep filter',
} as const;

/** True for the name of a chain that is ours to fill, flush and delete. */
export function isOwnIptablesChain(name: string): boolean {
  return /^(?:FLANNEL-POSTRTG|FLANNEL-FWD|WEFT-INNER|WEFT-VTEP(?:-[0-9a-fx]+)?)$/.test(name);
}

/** The iptables tables in which we or flannel ever put a chain. */
export const iptablesTableNames = ['nat', 'filter', 'mangle'] as const;
export type IptablesTableName = (typeof iptablesTableNames)[number];

export const nftTables = {
  4: { family: 'ip', name: 'flannel-ipv4', comment: 'rules for flannel-ipv4' },
  6: { family: 'ip6', name: 'flannel-ipv6', comment: 'rules for flannel-ipv6' },
} as const satisfies Record<Family, object>;

export const nftNames = {
  masquerade: 'postrtg',
  forward: 'forward',
  guard: 'vtep-input',
  inner: 'vtep-inner',
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
} as const;
