/** A family's rules in the language of iptables: every rule as iptables-save prints it, without its `-A CHAIN`. */
import type { Family } from '../base/ip.ts';
import { type IptablesTableName, iptablesTableNames, type RuleNames } from './names.ts';
import { peerChains } from './peer-chains.ts';
import type { FamilyRules, Rule, Scope, Verdict } from './ruleset.ts';

/** What shall be in one table: our chains, and the jumps into them from the built-in ones. */
export interface IptablesTable {
  readonly name: IptablesTableName;
  readonly chains: ReadonlyMap<string, readonly string[]>;
  readonly jumps: readonly IptablesJump[];
}

export interface IptablesJump {
  readonly from: string;
  readonly rule: string;
}

/** All tables that we ever use, also those where nothing shall be. */
export function iptablesTables(rules: FamilyRules): IptablesTable[] {
  const { names, masquerade, forward } = rules;
  return [
    tableOf('nat', jumpingChain(names, 'masquerade', 'POSTROUTING', masquerade)),
    tableOf('filter', jumpingChain(names, 'forward', 'FORWARD', forward)),
    // There an ACCEPT ends only that table: whatever a host's firewall accepts at the top of the table filter, we have
    // seen before.
    tableOf('mangle', ...guardParts(rules), jumpingChain(names, 'apart', 'FORWARD', rules.apart)),
  ];
}

/** Nothing of ours in any table: the wish of a clean-up. */
export const noIptablesTables: readonly IptablesTable[] = iptablesTableNames.map(name => tableOf(name));

type Part = Pick<IptablesTable, 'chains' | 'jumps'>;

function tableOf(name: IptablesTableName, ...parts: readonly Part[]): IptablesTable {
  return {
    name,
    chains: new Map(parts.flatMap(part => [...part.chains])),
    jumps: parts.flatMap(part => part.jumps),
  };
}

const nothing: Part = { chains: new Map(), jumps: [] };

/** A chain, and the jump to it that every packet takes. */
function jumpingChain(
  { chains, comments }: RuleNames,
  role: 'masquerade' | 'forward' | 'apart',
  from: string,
  rules: readonly Rule[],
): Part {
  if (rules.length === 0) return nothing;
  const [chain, comment] = [chains[role], comments[role]];
  return {
    chains: new Map([[chain, rules.map(rule => iptablesRule(rule, comment))]]),
    jumps: [{ from, rule: `${commentMatch(comment)} -j ${chain}` }],
  };
}

function guardParts({ names, family, network, guard }: FamilyRules): Part[] {
  if (guard === undefined) return [];
  const { chains, comments } = names;
  const comment = commentMatch(comments.guard);
  const toTunnel = (port: number, match: readonly string[] = []) => ({
    from: 'INPUT',
    rule: ['-p udp -m udp --dport', port, ...match, comment, '-j', chains.guard].join(' '),
  });
  const strangers: Part = {
    chains: peerChains(chains.guard, guard.peers),
    jumps: [
      ...guard.ports.map(port => toTunnel(port)),
      ...guard.vxlans.map(({ port, vni }) => toTunnel(port, [vniMatch(family, vni)])),
    ],
  };
  const outsiders: Part = {
    chains: new Map([[chains.inner, [`! -s ${network} -j DROP`]]]),
    jumps: guard.devices.map(device => ({
      from: 'PREROUTING',
      rule: `-i ${device} ${comment} -j ${chains.inner}`,
    })),
  };
  return [strangers, outsiders].filter(part => part.jumps.length > 0);
}

/**
 * The VNI is the 24 bits from byte 12 on, counted from the UDP header (RFC 7348 section 5). That begins behind the IPv4
 * header, whose length the header tells, and 40 bytes on in IPv6: the kernel sends no extension headers.
 */
function vniMatch(family: Family, vni: number): string {
  const start = family === 4 ? '0x0>>0x16&0x3c@0xc' : '0x34';
  return `-m u32 --u32 "${start}>>0x8=${hex(vni)}"`;
}

function iptablesRule({ markBits, source, destination, verdict }: Rule, comment: string): string {
  const mark = markBits === undefined ? '' : `-m mark --mark ${hex(markBits)}/${hex(markBits)}`;
  return [
    addressMatch('-s', source),
    addressMatch('-d', destination),
    mark,
    commentMatch(comment),
    targets[verdict],
  ]
    .filter(part => part !== '')
    .join(' ');
}

const targets: Readonly<Record<Verdict, string>> = {
  accept: '-j ACCEPT',
  drop: '-j DROP',
  return: '-j RETURN',
  masquerade: '-j MASQUERADE',
  'masquerade-fully-random': '-j MASQUERADE --random-fully',
};

function addressMatch(option: '-s' | '-d', scope: Scope | undefined): string {
  if (scope === undefined) return '';
  return `${scope.not ? '! ' : ''}${option} ${scope.prefix}`;
}

function commentMatch(comment: string): string {
  return `-m comment --comment "${comment}"`;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
