/**
 * Rules for packets of which more is known than devices and addresses: conditions on protocol and port, which the walk
 * does not look at, are decided here beforehand, by the rule's text.
 */
import { iptablesSeen } from './iptables-walk.ts';
import type { Condition, SeenChain, SeenChains, SeenRule } from './packet-walk.ts';

export interface KnownPacket {
  readonly protocol: 'udp' | 'tcp' | 'icmp' | 'ipv6-icmp';
  /** Undefined: any, and conditions on it stay undecided. */
  readonly destinationPort?: number | undefined;
}

/** The same rules, without the conditions that such a packet meets, and without the rules whose conditions it does not. */
export function rulesFor(chains: SeenChains, packet: KnownPacket): SeenChains {
  return new Map(
    [...chains].map(([name, chain]): [string, SeenChain] => [
      name,
      { ...chain, rules: chain.rules.flatMap(rule => decided(rule, packet)) },
    ]),
  );
}

function decided(rule: SeenRule, packet: KnownPacket): SeenRule[] {
  const isIptables = rule.text.startsWith('-A ');
  const asked = isIptables ? iptablesConditions(rule.text) : nftConditions(rule.text);
  const answers = asked.map(({ tests }) => meetsAll(tests, packet));
  if (answers.includes(false)) return [];
  const met = asked.filter((_, index) => answers[index] === true);
  if (met.length === 0) return [rule];
  const conditions = isIptables
    ? conditionsWithout(rule.text, met)
    : withoutOpen(rule.conditions, met.length);
  return [{ ...rule, conditions }];
}

/** Those of the rule without the words of what is met. */
function conditionsWithout(text: string, met: readonly Asked[]): readonly Condition[] {
  const rest = met.reduce((left, { words }) => left.replace(` ${words}`, ''), text).replace(/^-A \S+ ?/, '');
  const chain = { policy: '-', rules: [rest], counters: [] };
  const seen = iptablesSeen(new Map([['filter', new Map([['chain', chain]])]]), 'filter');
  return seen.get('chain')?.rules[0]?.conditions ?? [];
}

/** Which of them is which does not matter: so many are met. */
function withoutOpen(conditions: readonly Condition[], met: number): readonly Condition[] {
  let left = met;
  return conditions.filter(({ field }) => field !== 'other' || left-- <= 0);
}

/** One condition of a rule, and what it asks. */
interface Asked {
  readonly words: string;
  readonly tests: readonly Test[];
}

interface Test {
  readonly about: 'protocol' | 'destinationPort';
  readonly not: boolean;
  readonly values: readonly string[];
}

/** Undefined when it cannot be told. */
function meetsAll(tests: readonly Test[], packet: KnownPacket): boolean | undefined {
  const answers = tests.map(test => meets(test, packet));
  if (answers.includes(false)) return false;
  return answers.includes(undefined) ? undefined : true;
}

function meets({ about, not, values }: Test, packet: KnownPacket): boolean | undefined {
  if (about === 'protocol') {
    const names = protocolNames[packet.protocol];
    return values.some(value => value === 'all' || names.includes(value)) !== not;
  }
  const port = packet.destinationPort;
  const ranges = values.map(rangeOf);
  if (port === undefined || ranges.includes(undefined)) return undefined;
  return ranges.some(range => range !== undefined && range[0] <= port && port <= range[1]) !== not;
}

const protocolNames: Readonly<Record<KnownPacket['protocol'], readonly string[]>> = {
  udp: ['udp', '17'],
  tcp: ['tcp', '6'],
  icmp: ['icmp', '1'],
  'ipv6-icmp': ['ipv6-icmp', 'icmpv6', '58'],
};

/** `8472`, `8000:9000`, `8000-9000`; iptables-save and nft -j write ports as numbers. */
function rangeOf(text: string): readonly [number, number] | undefined {
  const [, first, last] = /^(\d+)(?:[-:](\d+))?$/.exec(text) ?? [];
  return first === undefined ? undefined : [Number(first), Number(last ?? first)];
}

const iptablesTest = /(?<= )(! )?(-p|--dports?) (\S+)(?= |$)/g;

function iptablesConditions(text: string): Asked[] {
  return [...text.matchAll(iptablesTest)].map(([words, no, option, value = '']): Asked => {
    const about = option === '-p' ? 'protocol' : 'destinationPort';
    return { words, tests: [{ about, not: no !== undefined, values: value.split(',') }] };
  });
}

const nftTest =
  /(?<=^| )(?:(meta l4proto|ip protocol|ip6 nexthdr)|(udp|tcp|th) dport) (!= )?(?:\{ ([^}]*) \}|(\{"range":\[\d+,\d+\]\}|[\w-]+))(?= |$)/g;

function nftConditions(text: string): Asked[] {
  return [...text.matchAll(nftTest)].map(([words, header, protocol = '', no, set, one = '']): Asked => {
    const not = no !== undefined;
    const values = (set?.split(', ') ?? [one]).map(value =>
      value.replace(/^\{"range":\[(\d+),(\d+)\]\}$/, '$1-$2'),
    );
    if (header !== undefined) return { words, tests: [{ about: 'protocol', not, values }] };
    const port: Test = { about: 'destinationPort', not, values };
    const isOf: Test = { about: 'protocol', not: false, values: [protocol] };
    return { words, tests: protocol === 'th' ? [port] : [isOf, port] };
  });
}
