import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IpAddress, ipAdd, parseIp } from '../../../src/base/ip.ts';
import { type Prefix, parsePrefix, prefixContains } from '../../../src/base/prefix.ts';
import { parseIptablesSave } from '../../../src/traffic/iptables-save.ts';
import { iptablesSeen } from '../../../src/traffic/iptables-walk.ts';
import { parseNftListing } from '../../../src/traffic/nft-listing.ts';
import { nftSeen } from '../../../src/traffic/nft-walk.ts';
import {
  type Condition,
  dropOnTheWay,
  type Flow,
  type SeenChain,
  type SeenChains,
  type SeenRule,
  type Way,
  wayThrough,
} from '../../../src/traffic/packet-walk.ts';

const toDocker: Flow = {
  inDevice: 'flannel.1',
  outDevice: 'docker0',
  source: parsePrefix('10.2.0.0/16'),
  destination: parsePrefix('10.2.1.0/24'),
};

const http = '-p tcp -m tcp --dport 80';
const outcomes: ReadonlyArray<readonly [what: string, lines: readonly string[], way: string]> = [
  ['no rules', [], 'passes'],
  ['a DROP', ['-A FORWARD -j DROP'], 'drops: -A FORWARD -j DROP'],
  [
    'an ACCEPT of one port, then a DROP',
    [`-A FORWARD ${http} -j ACCEPT`, '-A FORWARD -j DROP'],
    'depends: -A FORWARD -j DROP',
  ],
  [
    'a DROP of one port, then an ACCEPT',
    [`-A FORWARD ${http} -j DROP`, '-A FORWARD -j ACCEPT'],
    `depends on conditions: -A FORWARD ${http} -j DROP`,
  ],
  [
    'a DROP of one port, then of all',
    [`-A FORWARD ${http} -j DROP`, '-A FORWARD -j DROP'],
    'drops: -A FORWARD -j DROP',
  ],
  [
    'an ACCEPT of one port of another device, then a DROP',
    [`-A FORWARD -i eth7 ${http} -j ACCEPT`, '-A FORWARD -j DROP'],
    'drops: -A FORWARD -j DROP',
  ],
  [
    'an ACCEPT of one port of one container, then a DROP',
    [`-A FORWARD -d 10.2.1.7/32 ${http} -j ACCEPT`, '-A FORWARD -j DROP'],
    'drops: -A FORWARD -j DROP',
  ],
  [
    'one container accepted, and dropped afterwards',
    ['-A FORWARD -d 10.2.1.7/32 -j ACCEPT', '-A FORWARD -d 10.2.1.7/32 -j DROP'],
    'passes',
  ],
  [
    'both halves accepted, then a DROP',
    ['-A FORWARD -d 10.2.1.0/25 -j ACCEPT', '-A FORWARD -d 10.2.1.128/25 -j ACCEPT', '-A FORWARD -j DROP'],
    'passes',
  ],
  [
    'all but one container accepted, then a DROP',
    ['-A FORWARD ! -d 10.2.1.7/32 -j ACCEPT', '-A FORWARD -j DROP'],
    'drops: -A FORWARD -j DROP',
  ],
  [
    'a RETURN of one port out of a chain that drops',
    ['-A FORWARD -j ZONE', `-A ZONE ${http} -j RETURN`, '-A ZONE -j DROP'],
    'depends: -A ZONE -j DROP',
  ],
  [
    'the same, and a DROP behind the chain',
    ['-A FORWARD -j ZONE', `-A ZONE ${http} -j RETURN`, '-A ZONE -j DROP', '-A FORWARD -j REJECT'],
    'drops: -A ZONE -j DROP',
  ],
  [
    'a jump for one port into a chain that drops, then a DROP',
    [`-A FORWARD ${http} -j ZONE`, '-A ZONE -j DROP', '-A FORWARD -j REJECT'],
    'drops: -A FORWARD -j REJECT',
  ],
  [
    'a jump for one port into a chain that accepts, then a DROP',
    [`-A FORWARD ${http} -j ZONE`, '-A ZONE -j ACCEPT', '-A FORWARD -j DROP'],
    'depends: -A FORWARD -j DROP',
  ],
  [
    'a goto, whose end is the policy',
    ['-A FORWARD -g ZONE', '-A ZONE -s 192.0.2.0/24 -j DROP', '-A FORWARD -j DROP'],
    'passes',
  ],
  ['a program that decides', ['-A FORWARD -j NFQUEUE'], 'depends on conditions: -A FORWARD -j NFQUEUE'],
  [
    'a program that decides, then a DROP',
    ['-A FORWARD -j NFQUEUE', '-A FORWARD -j DROP'],
    'depends: -A FORWARD -j DROP',
  ],
  ['a chain that leads to itself', ['-A FORWARD -j ZONE', '-A ZONE -j ZONE'], 'passes'],
];

for (const [what, lines, expected] of outcomes) {
  test(`${what}: ${expected}`, () => {
    const heads = ['*filter', ':FORWARD ACCEPT [0:0]', ':ZONE - [0:0]'];
    const chains = iptablesSeen(parseIptablesSave([...heads, ...lines, 'COMMIT'].join('\n')), 'filter');
    assert.equal(wayText(wayThrough(chains, 'FORWARD', toDocker)), expected);
  });
}

function wayText(way: Way): string {
  if (way.type === 'passes') return 'passes';
  const on = way.type === 'depends' && way.conditional ? ' on conditions' : '';
  return `${way.type}${on}: ${way.rule}`;
}

const accept = { accept: null };
const drop = { drop: null };
const ctState = { ct: { key: 'state' } };
const nftOutcomes: ReadonlyArray<readonly [string, object[][], string]> = [
  [
    'a verdict map that accepts what is established alone, then a drop',
    [[{ vmap: { key: ctState, data: { set: [['established', accept]] } } }], [drop]],
    'drops',
  ],
  [
    'a verdict map that drops new connections',
    [
      [
        {
          vmap: {
            key: ctState,
            data: {
              set: [
                ['established', accept],
                ['new', drop],
              ],
            },
          },
        },
      ],
    ],
    'drops',
  ],
  [
    'a verdict map of devices that accepts the tunnel, then a drop',
    [[{ vmap: { key: { meta: { key: 'iifname' } }, data: { set: [['flannel.1', accept]] } } }], [drop]],
    'passes',
  ],
  [
    'a verdict map of ports, then a drop',
    [
      [
        {
          vmap: {
            key: { payload: { protocol: 'tcp', field: 'dport' } },
            data: { set: [[80, accept]] },
          },
        },
      ],
      [drop],
    ],
    'depends',
  ],
  [
    'a verdict map with a name, then a drop',
    [[{ vmap: { key: { meta: { key: 'iifname' } }, data: '@zones' } }], [drop]],
    'depends',
  ],
  ['a queue, then a drop', [[{ queue: { num: 0 } }], [drop]], 'depends'],
  [
    'a drop of all but one IPv6 network, which is none of IPv4',
    [
      [
        {
          match: {
            op: '!=',
            left: { payload: { protocol: 'ip6', field: 'saddr' } },
            right: { prefix: { addr: 'fd00::', len: 8 } },
          },
        },
        drop,
      ],
    ],
    'passes',
  ],
];

for (const [what, rules, expected] of nftOutcomes) {
  test(`nft: ${what}: ${expected}`, () => {
    const where = { family: 'inet', table: 'fw' };
    const chain = { ...where, name: 'fwd', type: 'filter', hook: 'forward', prio: 0, policy: 'accept' };
    const items = rules.map(expr => ({ rule: { ...where, chain: 'fwd', expr } }));
    const listing = parseNftListing(JSON.stringify({ nftables: [{ chain }, ...items] }));
    assert.equal(wayThrough(nftSeen(listing, 'inet', 'fw'), 'fwd', toDocker).type, expected);
  });
}

/** Addresses are few, so that the slow twin can send every packet. */
const small: Flow = {
  inDevice: 'in',
  outDevice: 'out',
  source: parsePrefix('10.0.0.0/30'),
  destination: parsePrefix('10.0.1.0/30'),
};
const sourcesNear = ['10.0.0.0/30', '10.0.0.0/31', '10.0.0.2/31', '10.0.0.1/32', '10.0.0.0/8', '10.9.0.0/16'];
const destinationsNear = ['10.0.1.0/30', '10.0.1.2/31', '10.0.1.3/32', '10.0.0.0/16', '192.0.2.0/24'];

const prefixes = (from: readonly string[]): fc.Arbitrary<Prefix[]> =>
  fc.uniqueArray(fc.constantFrom(...from.map(parsePrefix)), { minLength: 1, maxLength: 3 });

const conditions: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ field: fc.constant('source' as const), prefixes: prefixes(sourcesNear), not: fc.boolean() }),
  fc.record({
    field: fc.constant('destination' as const),
    prefixes: prefixes(destinationsNear),
    not: fc.boolean(),
  }),
  fc.record({
    field: fc.constantFrom('inDevice' as const, 'outDevice' as const),
    names: fc.subarray(['in', 'out', 'o+']),
    not: fc.boolean(),
  }),
  fc.record({
    field: fc.constant('state' as const),
    states: fc.subarray(['new', 'established']),
    not: fc.boolean(),
  }),
  fc.constant({ field: 'other' as const }),
);

/** Chains lead to later ones only, as in the kernel they may. */
function chainsOf(names: readonly string[]): fc.Arbitrary<SeenChains> {
  const chains = names.map((name, index) => {
    const later = names.slice(index + 1);
    const ends = fc.constantFrom(
      ...(['accept', 'drop', 'return', 'continue', 'unknown'] as const).map(type => ({ type })),
    );
    const jumps = later.flatMap(chain => (['jump', 'goto'] as const).map(type => ({ type, chain })));
    const verdict = jumps.length === 0 ? ends : fc.oneof(ends, fc.constantFrom(...jumps));
    const rule = fc.record({ conditions: fc.array(conditions, { maxLength: 2 }), verdict });
    const policy = index === 0 ? fc.constantFrom('accept' as const, 'drop' as const) : fc.constant(undefined);
    return fc
      .record({ rules: fc.array(rule, { maxLength: 4 }), policy })
      .map(({ rules, ...rest }): [string, SeenChain] => [
        name,
        { ...rest, rules: rules.map((one, number) => ({ ...one, text: `${name} ${number}` })) },
      ]);
  });
  return fc.tuple(...chains).map(entries => new Map(entries));
}

test('the walk says of any rules what every packet finds out, whatever holds of what is not judged', () => {
  const seen = { passes: 0, drops: 0, depends: 0 };
  fc.assert(
    fc.property(chainsOf(['base', 'one', 'two']), chains => {
      const open = [...chains.values()].flatMap(({ rules }) => rules.filter(isOpen));
      fc.pre(open.length <= 5);
      const fates = everyPacket().map(packet => everyFate(chains, packet, open));
      const way = wayThrough(chains, 'base', small);
      seen[way.type]++;
      const dropped = fates.filter(fate => fate.every(end => end !== 'passed'));
      if (way.type === 'drops') {
        assert.ok(dropped.length > 0, `${way.rule} is said to drop, and no packet is lost`);
        assert.ok(
          dropped.some(fate => fate.includes(way.rule)),
          `${way.rule} drops none of them`,
        );
      } else {
        assert.equal(dropped.length, 0, 'a packet is lost whatever holds, and it is not said');
      }
      const mayDrop = fates.some(fate => fate.some(end => end !== 'passed'));
      assert.equal(way.type !== 'passes', mayDrop);
      assert.equal(dropOnTheWay(chains, 'base', small), way.type === 'drops' ? way.rule : undefined);
    }),
    { numRuns: 2000 },
  );
  for (const [type, times] of Object.entries(seen)) assert.ok(times > 50, `${type} came up ${times} times`);
});

interface Packet {
  readonly source: IpAddress;
  readonly destination: IpAddress;
}

function everyPacket(): Packet[] {
  const four = [0n, 1n, 2n, 3n];
  return four.flatMap(from =>
    four.map(to => ({
      source: ipAdd(parseIp('10.0.0.0'), from),
      destination: ipAdd(parseIp('10.0.1.0'), to),
    })),
  );
}

function isOpen({ conditions: asked, verdict }: SeenRule): boolean {
  return verdict.type === 'unknown' || asked.some(({ field }) => field === 'other');
}

type Unknowns = ReadonlyMap<SeenRule, 'skip' | 'take' | 'accept' | 'drop' | 'return'>;

/** `passed`, or the rule that drops it, for each way in which the open rules may turn out. */
function everyFate(chains: SeenChains, packet: Packet, open: readonly SeenRule[]): string[] {
  let turns: Unknowns[] = [new Map()];
  for (const rule of open) {
    const ways =
      rule.verdict.type === 'unknown'
        ? (['skip', 'accept', 'drop', 'return'] as const)
        : (['skip', 'take'] as const);
    turns = turns.flatMap(turn => ways.map(way => new Map([...turn, [rule, way]])));
  }
  return turns.map(turn => fateOf(chains, packet, turn));
}

function fateOf(chains: SeenChains, packet: Packet, turn: Unknowns): string {
  const run = (name: string): string => {
    for (const rule of chains.get(name)?.rules ?? []) {
      const way = turn.get(rule) ?? 'take';
      if (way === 'skip' || !rule.conditions.every(one => holds(one, packet))) continue;
      const verdict = way === 'take' ? rule.verdict : { type: way };
      if (verdict.type === 'accept') return 'passed';
      if (verdict.type === 'drop') return rule.text;
      if (verdict.type === 'return') return '';
      if (!('chain' in verdict)) continue;
      const end = run(verdict.chain);
      if (end !== '' || verdict.type === 'goto') return end;
    }
    return '';
  };
  const end = run('base');
  if (end !== '') return end;
  return chains.get('base')?.policy === 'drop' ? 'policy of base: drop' : 'passed';
}

function holds(condition: Condition, packet: Packet): boolean {
  switch (condition.field) {
    case 'source':
    case 'destination':
      return (
        condition.prefixes.some(prefix => prefixContains(prefix, packet[condition.field])) !== condition.not
      );
    case 'inDevice':
      return condition.names.includes('in') !== condition.not;
    case 'outDevice':
      return condition.names.some(name => name === 'out' || name === 'o+') !== condition.not;
    case 'state':
      return condition.states.includes('new') !== condition.not;
    case 'other':
      return true;
  }
}
