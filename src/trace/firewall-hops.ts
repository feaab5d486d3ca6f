/** What this host's firewall does to a packet, as far as devices, addresses and the connection's state decide. */
import type { IpAddress } from '../base/ip.ts';
import { hostPrefix } from '../base/prefix.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { iptablesSeen } from '../traffic/iptables-walk.ts';
import { nftSeen } from '../traffic/nft-walk.ts';
import {
  type Condition,
  dropOnTheWay,
  type Flow,
  type SeenChain,
  type SeenChains,
  type SeenRule,
} from '../traffic/packet-walk.ts';
import { command, type Entry, type HopVerdict } from './hop.ts';
import { type Leg, meet, type Walk } from './walk.ts';

export interface FirewallQuestion {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Undefined: sent, or received, by this host itself. */
  readonly inDevice: LinkName | undefined;
  readonly outDevice: LinkName | undefined;
}

export function passFirewall(walk: Walk, leg: Leg, question: FirewallQuestion): boolean {
  const { unread } = walk.view.firewall;
  if (unread !== undefined)
    return meet(walk, leg, { kind: 'firewall', verdict: 'unknown', text: `it could not be read: ${unread}` });
  const places = placesOf(walk, hooksOf(question));
  if (places.length === 0)
    return meet(walk, leg, { kind: 'firewall', verdict: 'passes', text: 'no rules on its way' });
  const flow = flowOf(question);
  for (const place of leg.direction === 'back' ? places.map(forAnswers) : places) {
    const { verdict, rule } = judge(place, flow);
    if (verdict === 'passes') continue;
    const entries: Entry[] = [{ tool: place.where, line: rule }];
    if (verdict === 'unknown') {
      const text = 'drops it, unless a rule that looks at ports, marks or the like accepts it';
      return meet(walk, leg, { kind: 'firewall', verdict, text, entries });
    }
    const cause = `${place.where} drops it`;
    return meet(walk, leg, {
      kind: 'firewall',
      verdict,
      entries,
      cause,
      remedy: remedyFor(place, rule, question),
    });
  }
  const chains = [...new Set(places.map(({ where }) => where))].join(', ');
  return meet(walk, leg, {
    kind: 'firewall',
    verdict: 'passes',
    text: `no rule is sure to drop it: ${chains}`,
  });
}

/** The rule that gives the packet another source address on its way out; undefined when none does. */
export function masqueradeOf(walk: Walk, question: FirewallQuestion): Entry | undefined {
  for (const { chains, base, where } of placesOf(walk, ['postrouting'])) {
    const rule = dropOnTheWay(endingInNat(chains), base, flowOf(question));
    if (rule !== undefined && changesSource.test(rule)) return { tool: where, line: rule };
  }
  return undefined;
}

/** Of nftables and both variants of iptables. */
interface Place {
  readonly chains: SeenChains;
  readonly base: string;
  readonly where: string;
  readonly program: 'iptables' | 'nft';
  readonly table: string;
}

type Hook = 'prerouting' | 'forward' | 'output' | 'input' | 'postrouting';

function hooksOf({ inDevice, outDevice }: FirewallQuestion): Hook[] {
  if (inDevice === undefined) return ['output'];
  return outDevice === undefined ? ['prerouting', 'input'] : ['prerouting', 'forward'];
}

function placesOf({ view: { firewall }, family }: Walk, hooks: readonly Hook[]): Place[] {
  const program = family === 4 ? 'iptables' : 'ip6tables';
  const isNat = hooks.includes('postrouting');
  const iptables = firewall.iptables.flatMap(state =>
    hooks.flatMap(hook =>
      (isNat ? ['nat'] : ['raw', 'mangle', 'filter']).flatMap((table): Place[] => {
        const base = hook.toUpperCase();
        if (state.get(table)?.get(base) === undefined) return [];
        return [
          {
            chains: iptablesSeen(state, table),
            base,
            where: `${program} -t ${table} ${base}`,
            program: 'iptables',
            table,
          },
        ];
      }),
    ),
  );
  const nft = firewall.nft.chains
    .filter(({ hook, type }) => hooks.includes(hook as Hook) && (type === 'nat') === isNat)
    .map(({ family: nftFamily, table, name }): Place => {
      const where = `nft ${nftFamily} ${table} ${name}`;
      return {
        chains: nftSeen(firewall.nft, nftFamily, table),
        base: name,
        where,
        program: 'nft',
        table: `${nftFamily} ${table}`,
      };
    });
  return [...iptables, ...nft].filter(isInForce);
}

/** A table that was used once has empty chains for ever. */
function isInForce({ chains, base }: Place): boolean {
  const chain = chains.get(base);
  return chain !== undefined && (chain.rules.length > 0 || chain.policy === 'drop');
}

function flowOf({ source, destination, inDevice, outDevice }: FirewallQuestion): Flow {
  return {
    inDevice: inDevice ?? '',
    outDevice: outDevice ?? '',
    source: hostPrefix(source),
    destination: hostPrefix(destination),
  };
}

/** Sure only when it is dropped whether or not the rules with conditions that are not judged take it. */
function judge({ chains, base }: Place, flow: Flow): { readonly verdict: HopVerdict; readonly rule: string } {
  const rule = dropOnTheWay(chains, base, flow);
  if (rule === undefined) return { verdict: 'passes', rule: '' };
  const lenient = dropOnTheWay(mapRules(chains, leniently), base, flow);
  return { verdict: lenient === undefined ? 'unknown' : 'broken', rule };
}

function leniently(rule: SeenRule): SeenRule {
  if (rule.verdict.type !== 'accept') return rule;
  return { ...rule, conditions: rule.conditions.filter(({ field }) => field !== 'other') };
}

/** The walk takes every packet for the first of a connection; an answer is of one that is there. */
function forAnswers(place: Place): Place {
  const answer = (condition: Condition): Condition =>
    condition.field === 'state'
      ? { ...condition, states: condition.states.includes('established') ? ['new'] : [] }
      : condition;
  const change = (rule: SeenRule): SeenRule => ({ ...rule, conditions: rule.conditions.map(answer) });
  return { ...place, chains: mapRules(place.chains, change) };
}

const changesSource = /\b(?:MASQUERADE|SNAT|masquerade|snat)\b/;

/** With the ends of the way through a nat chain as the walk knows ends. */
function endingInNat(chains: SeenChains): SeenChains {
  const ending = mapRules(chains, rule => {
    if (!changesSource.test(rule.text) || rule.verdict.type !== 'continue') return rule;
    // In nftables' list the walk takes the statement itself, the last, for something that is asked.
    const { conditions } = rule;
    const asked =
      conditions.at(-1)?.field === 'other' && isStatement.test(rule.text)
        ? conditions.slice(0, -1)
        : conditions;
    return { ...rule, conditions: asked, verdict: { type: 'drop' } };
  });
  return new Map(
    [...ending].map(([name, chain]): [string, SeenChain] => [name, { ...chain, policy: 'accept' }]),
  );
}

const isStatement = /\b(?:masquerade|snat)\b/;

function mapRules(chains: SeenChains, change: (rule: SeenRule) => SeenRule): SeenChains {
  return new Map([...chains].map(([name, chain]) => [name, { ...chain, rules: chain.rules.map(change) }]));
}

function remedyFor(
  { program, table, base }: Place,
  rule: string,
  question: FirewallQuestion,
): ReturnType<typeof command> {
  const { source, destination } = question;
  if (program === 'nft')
    return command(
      'delete that rule, or accept the overlay before it in the same chain: nft -a list ruleset',
    );
  const name = source.includes(':') ? 'ip6tables' : 'iptables';
  const accept = (from: IpAddress, to: IpAddress): string =>
    `${name} -w -t ${table} -I ${base} -s ${from} -d ${to} -j ACCEPT`;
  const isPolicy = !rule.startsWith('-A');
  return command(
    isPolicy
      ? '`weft run` accepts the whole network, unless told not to'
      : 'accept it before the rule that drops it',
    accept(source, destination),
    ...(base === 'FORWARD' ? [accept(destination, source)] : []),
  );
}
