/** Taking our rules away: all of them, or those that another engine left; flannel's too, which have the same names. */
import { describeError } from '../base/errors.ts';
import { flannelNames, type RuleNames } from '../traffic/names.ts';
import type { EngineName, EngineOptions, IptablesVariant } from './engine.ts';
import { IptablesPrograms } from './iptables-programs.ts';
import { NftProgram } from './nft-program.ts';
import type { Programs } from './programs.ts';
import { everywhere, type Traces } from './traces.ts';

export interface Cleaned {
  /** What there was. */
  readonly removed: readonly string[];
  /** What could not be taken away, and why. */
  readonly failures: readonly string[];
}

/** Empties every firewall of what bears these names, where there are traces; where a program is missing there is nothing. */
export async function cleanFirewalls(
  programs: Programs,
  options: EngineOptions,
  traces: Traces = everywhere,
  names: Own = flannelNames,
): Promise<Cleaned> {
  return await clean(programs, { iptables: ['legacy', 'nft'], nftables: true }, options, traces, names);
}

type Own = Pick<RuleNames, 'isOwnChain' | 'isOwnTable'>;

/** Empties the firewalls that the chosen engine does not use. */
export async function cleanOtherFirewalls(
  programs: Programs,
  chosen: { readonly engine: EngineName; readonly variant: IptablesVariant | undefined },
  options: EngineOptions,
  traces: Traces = everywhere,
  names: Own = flannelNames,
): Promise<Cleaned> {
  if (chosen.engine === 'nftables') {
    return await clean(programs, { iptables: ['legacy', 'nft'], nftables: false }, options, traces, names);
  }
  const other = chosen.variant === undefined ? [] : ([chosen.variant === 'nft' ? 'legacy' : 'nft'] as const);
  return await clean(programs, { iptables: other, nftables: true }, options, traces, names);
}

async function clean(
  programs: Programs,
  what: { readonly iptables: readonly IptablesVariant[]; readonly nftables: boolean },
  options: EngineOptions,
  traces: Traces,
  names: Own,
): Promise<Cleaned> {
  const tasks = variantsOf(
    programs,
    what.iptables.filter(variant => traces[variant]),
  ).flatMap(variant =>
    ([4, 6] as const).map(family => new IptablesPrograms(programs, variant).clean(family, names, options)),
  );
  if (what.nftables && traces.nftables) tasks.push(new NftProgram(programs).clean(names, options));
  const results = await Promise.allSettled(tasks);
  return {
    removed: results.flatMap(result => (result.status === 'fulfilled' ? result.value : [])),
    failures: results.flatMap(result => (result.status === 'rejected' ? [describeError(result.reason)] : [])),
  };
}

/** Where iptables is of one kind only, its programs may lack the names that tell. */
function variantsOf(
  programs: Programs,
  wanted: readonly IptablesVariant[],
): ReadonlyArray<IptablesVariant | undefined> {
  const named = wanted.filter(variant => programs.has(`iptables-${variant}-save`));
  return named.length > 0 || wanted.length < 2 ? named : [undefined];
}
