/** Where rules of ours may be, asked of the kernel without starting a program. */

import { readFileIfThere } from '../sys/files.ts';
import { inNetns } from '../sys/netns.ts';
import { listNftTables } from '../sys/nft-tables.ts';
import { flannelNames, iptablesTableNames, type RuleNames } from '../traffic/names.ts';

export interface Traces {
  /** A table that iptables' legacy variant has, and in which we might be. */
  readonly legacy: boolean;
  readonly nft: boolean;
  /** A table of our name in nftables. */
  readonly nftables: boolean;
}

/** When nobody has looked. */
export const everywhere: Traces = { legacy: true, nft: true, nftables: true };

/** Of the network namespace that the calling thread is in. False is sure, true is not. */
export function firewallTraces(names: Pick<RuleNames, 'isOwnTable'> = flannelNames): Traces {
  return { legacy: legacyTables(), ...nftTraces(names) };
}

/** Of the network namespace at a path; undefined: of the calling thread's. @throws WeftError `netns-missing` */
export function tracesIn(netns: string | undefined, names?: Pick<RuleNames, 'isOwnTable'>): Traces {
  return netns === undefined ? firewallTraces(names) : inNetns(netns, () => firewallTraces(names));
}

/** The kernel lists the tables that were ever used, none of a module that is not loaded. */
function legacyTables(): boolean {
  try {
    const files = ['ip_tables_names', 'ip6_tables_names'].map(name => `/proc/thread-self/net/${name}`);
    const names = files.flatMap(file => (readFileIfThere(file) ?? '').split('\n'));
    return iptablesTableNames.some(name => names.includes(name));
  } catch {
    return true;
  }
}

function nftTraces({ isOwnTable }: Pick<RuleNames, 'isOwnTable'>): Pick<Traces, 'nft' | 'nftables'> {
  try {
    const tables = listNftTables();
    const ofIptables = tables.filter(({ family }) => family === 'ip' || family === 'ip6');
    return {
      nft: iptablesTableNames.some(name => ofIptables.some(table => table.name === name)),
      nftables: tables.some(({ family, name }) => isOwnTable(family, name)),
    };
  } catch {
    return { nft: true, nftables: true };
  }
}
