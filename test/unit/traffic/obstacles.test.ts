import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIptablesSave } from '../../../src/traffic/iptables-save.ts';
import { emptyListing, parseNftListing } from '../../../src/traffic/nft-listing.ts';
import { describeObstacle, iptablesObstacles, nftObstacles } from '../../../src/traffic/obstacles.ts';
import { familyOfPlan, plan } from './wishes.ts';

const rules = familyOfPlan(plan(), 4);
const path = { tunnel: 'flannel.1', containerDevices: ['docker0'] };

function found(table: string, lines: string, policy = 'ACCEPT'): string[] {
  const names = new Set([...lines.matchAll(/(?:-A|-j|-g) ([A-Za-z][\w-]*)/g)].map(match => match[1] ?? ''));
  const builtin = ['FORWARD', 'PREROUTING', 'ACCEPT', 'DROP', 'REJECT', 'RETURN', 'LOG'];
  const chains = [...names].filter(name => !builtin.includes(name)).map(name => `:${name} - [0:0]`);
  const heads = [`:PREROUTING ACCEPT [0:0]`, `:FORWARD ${policy} [0:0]`, ...chains];
  const state = parseIptablesSave([`*${table}`, ...heads, lines, 'COMMIT'].join('\n'));
  return iptablesObstacles(rules, path, state).map(
    one => `${one.direction} ${one.device ?? 'any'} ${one.rule}`,
  );
}

const ours = `-A FORWARD -j FLANNEL-FWD
-A FLANNEL-FWD -s 10.2.0.0/16 -j ACCEPT
-A FLANNEL-FWD -d 10.2.0.0/16 -j ACCEPT`;

const cases: ReadonlyArray<readonly [string, string, string[]]> = [
  ['nothing but ours', ours, []],
  [
    'a DROP before ours',
    `-A FORWARD -j DROP\n${ours}`,
    ['in any -A FORWARD -j DROP', 'out any -A FORWARD -j DROP'],
  ],
  ['a DROP after ours', `${ours}\n-A FORWARD -j DROP`, []],
  ['a DROP of other addresses', `-A FORWARD -s 172.17.0.0/16 -j DROP\n${ours}`, []],
  [
    'a DROP of all but other addresses',
    `-A FORWARD ! -s 172.17.0.0/16 -j DROP\n${ours}`,
    ['in any -A FORWARD ! -s 172.17.0.0/16 -j DROP', 'out any -A FORWARD ! -s 172.17.0.0/16 -j DROP'],
  ],
  ['a DROP of a port, which nobody can judge', `-A FORWARD -p tcp -m tcp --dport 25 -j DROP\n${ours}`, []],
  ['a DROP of what is invalid', `-A FORWARD -m conntrack --ctstate INVALID -j DROP\n${ours}`, []],
  [
    'a REJECT of what is new',
    `-A FORWARD -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable\n${ours}`,
    [
      'in any -A FORWARD -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable',
      'out any -A FORWARD -m conntrack --ctstate NEW -j REJECT --reject-with icmp-port-unreachable',
    ],
  ],
  ['a comment that speaks of -j DROP', `-A FORWARD -m comment --comment "was: -j DROP" -j LOG\n${ours}`, []],
  [
    'an ACCEPT of the network before a DROP',
    `-A FORWARD -s 10.0.0.0/8 -j ACCEPT\n-A FORWARD -j DROP\n${ours}`,
    [],
  ],
  [
    'a DROP behind a jump',
    `-A FORWARD -j ZONE\n-A ZONE -j DROP\n${ours}`,
    ['in any -A ZONE -j DROP', 'out any -A ZONE -j DROP'],
  ],
  [
    'a chain that returns',
    `-A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j RETURN\n-A DOCKER-USER -j DROP\n${ours}`,
    [],
  ],
  [
    "Docker's isolation of bridges from each other",
    `-A FORWARD -j ISO-1
-A ISO-1 -i docker0 ! -o docker0 -j ISO-2
-A ISO-1 -j RETURN
-A ISO-2 -o docker0 -j DROP
-A ISO-2 -j RETURN
${ours}`,
    [],
  ],
  [
    "Docker's drop of what comes from elsewhere",
    `-A FORWARD -o docker0 -j DOCKER\n-A DOCKER ! -i docker0 -o docker0 -j DROP\n${ours}`,
    ['in docker0 -A DOCKER ! -i docker0 -o docker0 -j DROP'],
  ],
  ['the same of a bridge without containers of ours', `-A FORWARD ! -i br-7 -o br-7 -j DROP\n${ours}`, []],
  [
    'a DROP of one container alone',
    `-A FORWARD -d 10.2.1.7/32 -j DROP\n${ours}`,
    ['in any -A FORWARD -d 10.2.1.7/32 -j DROP', 'out any -A FORWARD -d 10.2.1.7/32 -j DROP'],
  ],
  [
    'an ACCEPT of one container, then a DROP',
    `-A FORWARD -d 10.2.1.7/32 -j ACCEPT\n-A FORWARD -j DROP`,
    ['in any -A FORWARD -j DROP', 'out any -A FORWARD -j DROP'],
  ],
  [
    'a DROP of a device pattern',
    `-A FORWARD -i flan+ -j DROP\n${ours}`,
    ['in any -A FORWARD -i flan+ -j DROP'],
  ],
];

for (const [title, lines, expected] of cases) {
  test(`iptables: ${title}`, () => assert.deepEqual(found('filter', lines), expected));
}

test('iptables: a policy of DROP stands in the way only of those whom our rules do not accept', () => {
  assert.deepEqual(found('filter', ours, 'DROP'), []);
  assert.deepEqual(found('filter', '', 'DROP'), [
    'in any policy of FORWARD: drop',
    'out any policy of FORWARD: drop',
  ]);
});

test("iptables: Docker's raw rule against direct access to a container's address is found", () => {
  const rule = '-A PREROUTING -d 10.2.1.2/32 ! -i docker0 -j DROP';
  assert.deepEqual(found('raw', rule), [`in any ${rule}`]);
});

function nft(...rulesOf: readonly object[][]): ReturnType<typeof parseNftListing> {
  const chain = {
    family: 'inet',
    table: 'fw',
    name: 'fwd',
    type: 'filter',
    hook: 'forward',
    prio: 10,
    policy: 'accept',
  };
  const items = rulesOf.map(expr => ({ rule: { family: 'inet', table: 'fw', chain: 'fwd', expr } }));
  return parseNftListing(JSON.stringify({ nftables: [{ chain }, ...items] }));
}

const saddr = { payload: { protocol: 'ip', field: 'saddr' } };
const nftCases: ReadonlyArray<readonly [string, object[][], string[]]> = [
  ['no rules', [], []],
  ['a drop', [[{ counter: { packets: 1, bytes: 60 } }, { drop: null }]], ['counter drop']],
  [
    'a drop of other addresses',
    [
      [
        { match: { op: '==', left: saddr, right: { prefix: { addr: '172.17.0.0', len: 16 } } } },
        { drop: null },
      ],
    ],
    [],
  ],
  [
    'a drop of a set that holds the network',
    [
      [
        {
          match: {
            op: '==',
            left: saddr,
            right: { set: ['192.0.2.1', { prefix: { addr: '10.0.0.0', len: 8 } }] },
          },
        },
        { drop: null },
      ],
    ],
    ['ip saddr { 192.0.2.1, 10.0.0.0/8 } drop'],
  ],
  [
    'a drop of a named set, which nobody can judge',
    [[{ match: { op: '==', left: saddr, right: '@blocked' } }, { drop: null }]],
    [],
  ],
  [
    'established packets accepted, the rest rejected',
    [
      [
        { match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] } },
        { accept: null },
      ],
      [{ reject: { type: 'icmpx', expr: 'admin-prohibited' } }],
    ],
    ['reject with icmpx type admin-prohibited'],
  ],
  [
    'the tunnel accepted before a drop',
    [
      [{ match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'flannel.1' } }, { accept: null }],
      [{ match: { op: '==', left: { meta: { key: 'oifname' } }, right: 'flannel*' } }, { accept: null }],
      [{ drop: null }],
    ],
    [],
  ],
  [
    'a REJECT of iptables-nft',
    [[{ xt: { type: 'match', name: 'comment' } }, { xt: { type: 'target', name: 'REJECT' } }]],
    ['xt REJECT'],
  ],
  [
    'a match of iptables-nft, which nobody can judge',
    [[{ xt: { type: 'match', name: 'multiport' } }, { drop: null }]],
    [],
  ],
];

for (const [title, exprs, expected] of nftCases) {
  test(`nft: ${title}`, () => {
    const obstacles = nftObstacles(rules, path, nft(...exprs));
    assert.deepEqual([...new Set(obstacles.map(one => one.rule))], expected);
  });
}

test('nft: a listing of nothing has no obstacles, and what is not JSON is an error', () => {
  assert.deepEqual(nftObstacles(rules, path, emptyListing), []);
  assert.throws(() => parseNftListing('table ip x {}'), { code: 'nft-output' });
});

test('an obstacle is a sentence with the rule in it', () => {
  const base = {
    family: 4,
    where: 'iptables table filter, chain FORWARD',
    rule: '-A FORWARD -j DROP',
  } as const;
  assert.equal(
    describeObstacle({ ...base, device: 'docker0', direction: 'out' }),
    'packets from containers on docker0 to other hosts are dropped by iptables table filter, chain FORWARD: -A FORWARD -j DROP',
  );
});
