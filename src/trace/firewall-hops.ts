/** What this host's firewall does to a packet, as far as devices, addresses and the connection's state decide. */
import type { IpAddress } from '../base/ip.ts';
import { hostPrefix } from '../base/prefix.ts';
import { shellWord } from '../base/shell-word.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { iptablesSeen } from '../traffic/iptables-walk.ts';
import { rulesFor } from '../traffic/known-packet.ts';
import { nftSeen } from '../traffic/nft-walk.ts';
import {
  type Condition,
  dropOnTheWay,
  type Flow,
  type SeenChain,
  type SeenChains,
  type SeenRule,
  wayThrough,
} from '../traffic/packet-walk.ts';
import { command, type Entry, type HopVerdict } from './hop.ts';
import { type Leg, meet, type Walk } from './walk.ts';

export interface FirewallQuestion {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  /** Undefined: sent, or received, by this host itself. */
  readonly inDevice: LinkName | undefined;
  readonly outDevice: LinkName | undefined;
  /** Of the tunnel's own packets; undefined for those inside, of which nothing but the addresses counts. */
  readonly udpPort?: number | undefined;
}

export function passFirewall(walk: Walk, leg: Leg, question: FirewallQuestion): boolean {
  const { unread } = walk.view.firewall;
  if (unread !== undefined)
    return meet(walk, leg, { kind: 'firewall', verdict: 'unknown', text: `it could not be read: ${unread}` });
  const places = placesOf(walk, hooksOf(question)).map(place => knowing(place, question));
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

/** Rules for other protocols and ports do not count for a packet whose port is known. */
function knowing(place: Place, { udpPort }: FirewallQuestion): Place {
  if (udpPort === undefined) return place;
  return { ...place, chains: rulesFor(place.chains, { protocol: 'udp', destinationPort: udpPort }) };
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

/** A drop with a condition of its own that is not judged is no reason to doubt: every host has such rules. */
function judge({ chains, base }: Place, flow: Flow): { readonly verdict: HopVerdict; readonly rule: string } {
  const way = wayThrough(chains, base, flow);
  if (way.type === 'passes' || (way.type === 'depends' && way.conditional))
    return { verdict: 'passes', rule: '' };
  return { verdict: way.type === 'drops' ? 'broken' : 'unknown', rule: way.rule };
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
  const { source, destination, udpPort } = question;
  if (program === 'nft') {
    const [ip, port] = [
      source.includes(':') ? 'ip6' : 'ip',
      udpPort === undefined ? '' : ` udp dport ${udpPort}`,
    ];
    return command(
      'or delete that rule, and mend the file that the ruleset is loaded from',
      `nft insert rule ${[...table.split(' '), base].map(shellWord).join(' ')} ${ip} saddr ${source} ${ip} daddr ${destination}${port} accept`,
    );
  }
  const name = source.includes(':') ? 'ip6tables' : 'iptables';
  const port = udpPort === undefined ? '' : ` -p udp --dport ${udpPort}`;
  const accept = (from: IpAddress, to: IpAddress): string =>
    `${name} -w -t ${table} -I ${base} -s ${from} -d ${to}${port} -j ACCEPT`;
  const isPolicy = !rule.startsWith('-A');
  return command(
    isPolicy
      ? base === 'FORWARD'
        ? '`weft run` accepts the whole network, unless told not to'
        : 'its policy is to drop: what shall come in must be accepted'
      : 'accept it before the rule that drops it',
    accept(source, destination),
    ...(base === 'FORWARD' ? [accept(destination, source)] : []),
  );
}
