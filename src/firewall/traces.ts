/** Where rules of ours may be, asked of the kernel without starting a program. */

import { readFileIfThere } from '../sys/files.ts';
import { listNftTables } from '../sys/nft-tables.ts';
import { iptablesTableNames, nftTables } from '../traffic/names.ts';

export interface Traces {
  /** A table that iptables' legacy variant has, and in which we might be. */
  readonly legacy: boolean;
  readonly nft: boolean;
  /** A table of our name in nftables. */
  readonly nftables: boolean;
}

/** When nobody has looked. */
export const everywhere: Traces = { legacy: true, nft: true, nftables: true };

/** Of this process's own network namespace. False is sure, true is not. */
export function firewallTraces(): Traces {
  return { legacy: legacyTables(), ...nftTraces() };
}

/** The kernel lists the tables that were ever used, none of a module that is not loaded. */
function legacyTables(): boolean {
  try {
    const files = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'];
    const names = files.flatMap(file => (readFileIfThere(file) ?? '').split('\n'));
    return iptablesTableNames.some(name => names.includes(name));
  } catch {
    return true;
  }
}

function nftTraces(): Pick<Traces, 'nft' | 'nftables'> {
  try {
    const tables = listNftTables();
    const ofIptables = tables.filter(({ family }) => family === 'ip' || family === 'ip6');
    return {
      nft: iptablesTableNames.some(name => ofIptables.some(table => table.name === name)),
      nftables: Object.values(nftTables).some(one =>
        tables.some(({ family, name }) => family === one.family && name === one.name),
      ),
    };
  } catch {
    return { nft: true, nftables: true };
  }
}
