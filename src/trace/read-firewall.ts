/** Reads this host's firewall, whoever made it, as far as there is one: an empty firewall costs no process. */
import { describeError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
import { IptablesPrograms } from '../firewall/iptables-programs.ts';
import { NftProgram } from '../firewall/nft-program.ts';
import { type Programs, programsIn } from '../firewall/programs.ts';
import { readFileIfThere } from '../sys/files.ts';
import { inNetns } from '../sys/netns.ts';
import { listNftTables } from '../sys/nft-tables.ts';
import type { IptablesState } from '../traffic/iptables-save.ts';
import { emptyListing, type NftListing } from '../traffic/nft-listing.ts';
import type { FirewallView } from './view.ts';

export const noFirewall: FirewallView = { iptables: [], nft: emptyListing, unread: undefined };

/** Never throws what has to do with the firewall: a trace is worth something without. */
export async function readFirewall(
  netns: string | undefined,
  family: Family,
  signal: AbortSignal,
): Promise<FirewallView> {
  try {
    const there = netns === undefined ? tablesThere(family) : inNetns(netns, () => tablesThere(family));
    const programs = programsIn(netns);
    const iptables = await readIptables(programs, family, there, signal);
    const nft = there.nft ? await readNft(programs, signal) : emptyListing;
    return { iptables, nft, unread: undefined };
  } catch (error) {
    signal.throwIfAborted();
    return { ...noFirewall, unread: describeError(error) };
  }
}

interface TablesThere {
  readonly legacy: boolean;
  /** Tables of iptables' nft variant. */
  readonly iptablesNft: boolean;
  /** Any table of nftables but those. */
  readonly nft: boolean;
}

function tablesThere(family: Family): TablesThere {
  const file = `/proc/thread-self/net/${family === 4 ? 'ip' : 'ip6'}_tables_names`;
  const tables = listNftTables().filter(
    one => one.family === 'inet' || one.family === (family === 4 ? 'ip' : 'ip6'),
  );
  const ofIptables = tables.filter(isOfIptables);
  return {
    legacy: (readFileIfThere(file) ?? '').trim() !== '',
    iptablesNft: ofIptables.length > 0,
    nft: tables.length > ofIptables.length,
  };
}

function isOfIptables({ family, name }: { readonly family: string; readonly name: string }): boolean {
  return family !== 'inet' && iptablesTables.includes(name);
}

/** As its nft variant names them. */
const iptablesTables = ['raw', 'mangle', 'nat', 'filter', 'security'];

async function readIptables(
  programs: Programs,
  family: Family,
  { legacy, iptablesNft }: TablesThere,
  signal: AbortSignal,
): Promise<IptablesState[]> {
  const states: IptablesState[] = [];
  if (legacy) states.push(await new IptablesPrograms(programs, 'legacy').save(family, { signal }));
  if (iptablesNft) states.push(await new IptablesPrograms(programs, 'nft').save(family, { signal }));
  return states;
}

async function readNft(programs: Programs, signal: AbortSignal): Promise<NftListing> {
  const listing = await new NftProgram(programs).listAll({ signal });
  const keep = ({ family, table }: { readonly family: string; readonly table: string }): boolean =>
    !isOfIptables({ family, name: table });
  return { ...listing, chains: listing.chains.filter(keep), rules: listing.rules.filter(keep) };
}
