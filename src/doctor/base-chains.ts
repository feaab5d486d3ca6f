/** Where the kernel asks the firewall about a packet: the base chains of both iptables and of nftables. */
import type { Family } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';
import { shellWord } from '../base/shell-word.ts';
import { readFileIfThere } from '../sys/files.ts';
import { inNetns } from '../sys/netns.ts';
import type { FirewallView } from '../trace/view.ts';
import type { IptablesState } from '../traffic/iptables-save.ts';
import { iptablesSeen } from '../traffic/iptables-walk.ts';
import type { RuleNames } from '../traffic/names.ts';
import type { NftListing } from '../traffic/nft-listing.ts';
import { nftSeen } from '../traffic/nft-walk.ts';
import type { SeenChain, SeenChains } from '../traffic/packet-walk.ts';
import { commandsIn } from './commands-in.ts';

export interface BaseChain {
  /** `iptables-nft`, `ip6tables-legacy`, `nft`. */
  readonly program: string;
  /** As a person would call it: `iptables FORWARD`, `iptables raw PREROUTING`, `nft inet firewalld filter_FORWARD`. */
  readonly name: string;
  readonly hook: Hook;
  readonly base: string;
  readonly chains: SeenChains;
  /** A rule of it, or its policy, as the tool prints it. */
  evidence(rule: string): string;
  /** The command that has it accept such packets before all else. */
  accept(packets: Packets): string;
}

export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

/** All that is given must fit. */
export interface Packets {
  readonly source?: Prefix | undefined;
  readonly destination?: Prefix | undefined;
  readonly inDevice?: string | undefined;
  readonly outDevice?: string | undefined;
  readonly protocol?: string | undefined;
  readonly udpPort?: number | undefined;
}

export interface ChainQuestion {
  readonly family: Family;
  readonly hooks: readonly Hook[];
  /** Those that change addresses, or those that filter. */
  readonly type: 'nat' | 'filter';
  /** Ours in nftables are left out: what they drop is not for others to let in. */
  readonly names: RuleNames;
  /** Path of the namespace; undefined: the process's own. */
  readonly netns: string | undefined;
}

/** Those with a rule or a policy that may matter: a table that was used once has empty chains for ever. */
export function baseChains(view: FirewallView, question: ChainQuestion): BaseChain[] {
  const found = [
    ...view.iptables.flatMap((state, index) =>
      iptablesChains(state, programOf(view, index, question), question),
    ),
    ...nftChains(view.nft, question),
  ];
  return found.filter(({ chains, base }) => {
    const chain = chains.get(base);
    return chain !== undefined && (chain.rules.length > 0 || chain.policy === 'drop');
  });
}

/** The legacy variant's tables are read first, where there are any (see trace/read-firewall.ts). */
function programOf({ iptables }: FirewallView, index: number, { family, netns }: ChainQuestion): string {
  const file = `/proc/thread-self/net/${family === 4 ? 'ip' : 'ip6'}_tables_names`;
  const read = (): string => readFileIfThere(file) ?? '';
  const isLegacy =
    index === 0 && (iptables.length === 2 || (netns === undefined ? read() : inNetns(netns, read)) !== '');
  return `${family === 4 ? 'iptables' : 'ip6tables'}-${isLegacy ? 'legacy' : 'nft'}`;
}

/** In the order in which the kernel asks them. */
const iptablesTables = { filter: ['raw', 'mangle', 'filter', 'security'], nat: ['nat'] } as const;

function iptablesChains(
  state: IptablesState,
  program: string,
  { hooks, type, netns }: ChainQuestion,
): BaseChain[] {
  return hooks.flatMap(hook =>
    iptablesTables[type].flatMap((table): BaseChain[] => {
      const base = hook.toUpperCase();
      if (state.get(table)?.get(base) === undefined) return [];
      const inTable = table === 'filter' ? '' : ` -t ${table}`;
      return [
        {
          ...{ program, hook, base, chains: iptablesSeen(state, table) },
          name: `${program.replace(/-.*/, '')}${table === 'filter' ? '' : ` ${table}`} ${base}`,
          evidence: rule => `${program}${inTable} -S: ${isPolicy(rule) ? `-P ${base} DROP` : rule}`,
          accept: packets =>
            commandsIn(netns, [
              `${program} -w${inTable} -I ${base} ${iptablesWords(packets)} -j ACCEPT`,
            ])[0] ?? '',
        },
      ];
    }),
  );
}

function iptablesWords(packets: Packets): string {
  const { inDevice, outDevice, source, destination, protocol, udpPort } = packets;
  const pairs = [
    ['-i', inDevice],
    ['-o', outDevice],
    ['-s', source],
    ['-d', destination],
    ['-p', udpPort === undefined ? protocol : 'udp'],
    ['--dport', udpPort],
  ] as const;
  return pairs
    .flatMap(([option, value]) => (value === undefined ? [] : [`${option} ${shellWord(String(value))}`]))
    .join(' ');
}

function nftChains(listing: NftListing, question: ChainQuestion): BaseChain[] {
  const { family, hooks, type, names, netns } = question;
  const families = [family === 4 ? 'ip' : 'ip6', 'inet'];
  return listing.chains.flatMap((chain): BaseChain[] => {
    const { hook, table, name: base } = chain;
    const isMeant =
      families.includes(chain.family) &&
      hooks.includes(hook as Hook) &&
      (chain.type === 'nat') === (type === 'nat') &&
      !names.isOwnTable(chain.family, table);
    if (!isMeant) return [];
    const place = `${chain.family} ${table} ${base}`;
    const seen = nftSeen(listing, chain.family, table);
    const head = `type ${chain.type} hook ${hook} priority ${chain.priority}; policy ${seen.get(base)?.policy};`;
    return [
      {
        ...{ program: 'nft', name: `nft ${place}`, hook: hook as Hook, base, chains: seen },
        evidence: rule => `nft list chain ${place}: ${isPolicy(rule) ? head : rule}`,
        accept: packets =>
          commandsIn(netns, [
            `nft insert rule ${place.split(' ').map(shellWord).join(' ')} ${nftWords(packets, family)} accept`,
          ])[0] ?? '',
      },
    ];
  });
}

function nftWords(packets: Packets, family: Family): string {
  const { inDevice, outDevice, source, destination, protocol, udpPort } = packets;
  const ip = family === 4 ? 'ip' : 'ip6';
  const pairs = [
    ['iifname', inDevice && nftName(inDevice)],
    ['oifname', outDevice && nftName(outDevice)],
    [`${ip} saddr`, source],
    [`${ip} daddr`, destination],
    ['meta l4proto', udpPort === undefined ? protocol : undefined],
    ['udp dport', udpPort],
  ] as const;
  return pairs
    .flatMap(([match, value]) => (value === undefined ? [] : [`${match} ${shellWord(String(value))}`]))
    .join(' ');
}

/** nft reads its words as a program: a name that is more than one of its own words has to be in quotes there, too. */
function nftName(device: string): string {
  return /^[a-zA-Z][\w.-]*$/.test(device) ? device : JSON.stringify(device);
}

/** As the walk words it. */
export function isPolicy(rule: string): boolean {
  return rule.startsWith('policy of ');
}

/** The same chain, when rules that fit are not looked at. */
export function withoutJumps(chains: SeenChains, isLeftOut: (chain: string) => boolean): SeenChains {
  return new Map(
    [...chains].map(([name, chain]): [string, SeenChain] => [
      name,
      {
        ...chain,
        rules: chain.rules.filter(({ verdict }) => !('chain' in verdict && isLeftOut(verdict.chain))),
      },
    ]),
  );
}
