/** A family's rules in the language of iptables: every rule as iptables-save prints it, without its `-A CHAIN`. */
import { type IptablesTableName, iptablesChains, iptablesComments, iptablesTableNames } from './names.ts';
import { peerChains } from './peer-chains.ts';
import type { FamilyRules, Rule, Scope, Verdict, VtepGuard } from './ruleset.ts';

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
  const { masquerade, forward, guard } = rules;
  return [
    flannelTable('nat', 'POSTROUTING', iptablesChains.masquerade, iptablesComments.masquerade, masquerade),
    flannelTable('filter', 'FORWARD', iptablesChains.forward, iptablesComments.forward, forward),
    guard === undefined ? emptyTable('mangle') : guardTable(rules, guard),
  ];
}

/** Nothing of ours in any table: the wish of a clean-up. */
export const noIptablesTables: readonly IptablesTable[] = iptablesTableNames.map(emptyTable);

function flannelTable(
  name: IptablesTableName,
  from: string,
  chain: string,
  comment: string,
  rules: readonly Rule[],
): IptablesTable {
  if (rules.length === 0) return emptyTable(name);
  return {
    name,
    chains: new Map([[chain, rules.map(rule => iptablesRule(rule, comment))]]),
    jumps: [{ from, rule: `${commentMatch(comment)} -j ${chain}` }],
  };
}

/**
 * In the table mangle, because an ACCEPT there ends only that table: whatever a host's firewall accepts at the top of
 * INPUT, in the table filter, the guard has seen before.
 */
function guardTable({ network }: FamilyRules, { ports, devices, peers }: VtepGuard): IptablesTable {
  const comment = commentMatch(iptablesComments.guard);
  return {
    name: 'mangle',
    chains: new Map([
      ...peerChains(iptablesChains.guard, peers),
      [iptablesChains.inner, [`! -s ${network} -j DROP`]],
    ]),
    jumps: [
      ...ports.map(port => ({
        from: 'INPUT',
        rule: `-p udp -m udp --dport ${port} ${comment} -j ${iptablesChains.guard}`,
      })),
      ...devices.map(device => ({
        from: 'PREROUTING',
        rule: `-i ${device} ${comment} -j ${iptablesChains.inner}`,
      })),
    ],
  };
}

function emptyTable(name: IptablesTableName): IptablesTable {
  return { name, chains: new Map(), jumps: [] };
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
