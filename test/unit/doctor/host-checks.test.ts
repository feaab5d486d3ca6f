import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { judgeForwarding } from '../../../src/doctor/checks/ip-forward.ts';
import { judgeConnections, judgeNeighbours } from '../../../src/doctor/checks/limits.ts';
import { isSuspicious, parseSnmp, parseSnmp6 } from '../../../src/doctor/checks/tx-checksum.ts';
import { processLine } from '../../../src/doctor/daemons.ts';
import type { OverlayPart } from '../../../src/doctor/overlay-parts.ts';

const part: OverlayPart = {
  ...{ family: 4, network: parsePrefix('10.2.0.0/16'), subnet: parsePrefix('10.2.1.0/24') },
  ...{ tunnel: 'flannel.1', containers: ['docker0'] },
};

const forwarding: ReadonlyArray<
  readonly [string, 4 | 6, Readonly<Record<string, string>>, string, string[]]
> = [
  ['on', 4, { 'net/ipv4/ip_forward': '1', 'net/ipv4/conf/docker0/forwarding': '1' }, 'ok', []],
  ['off', 4, { 'net/ipv4/ip_forward': '0' }, 'fail', ['sysctl -w net/ipv4/ip_forward=1']],
  [
    ...(['off for the tunnel', 4] as const),
    { 'net/ipv4/ip_forward': '1', 'net/ipv4/conf/flannel.1/forwarding': '0' },
    ...(['fail', ['sysctl -w net/ipv4/conf/flannel.1/forwarding=1']] as const),
  ] as never,
  [
    'on for IPv6',
    6,
    { 'net/ipv6/conf/all/forwarding': '1', 'net/ipv6/conf/docker0/forwarding': '0' },
    'ok',
    [],
  ],
  ['not there for IPv6', 6, {}, 'fail', ['sysctl -w net/ipv6/conf/all/forwarding=1']],
];

for (const [title, family, settings, verdict, commands] of forwarding) {
  test(`forwarding that is ${title} is ${verdict}`, () => {
    const finding = judgeForwarding({ ...part, family }, new Map(Object.entries(settings)));
    assert.equal(finding.verdict, verdict);
    assert.deepEqual(finding.remedy?.commands ?? [], commands);
  });
}

test('in another namespace the remedy goes there', () => {
  const { remedy } = judgeForwarding(part, new Map(), '/run/netns/blue');
  assert.deepEqual(remedy?.commands, ['nsenter --net=/run/netns/blue sysctl -w net/ipv4/ip_forward=1']);
});

for (const [wanted, verdict] of [
  [818, 'ok'],
  [820, 'warn'],
  [1024, 'fail'],
] as const) {
  test(`${wanted} neighbours of at most 1024 are ${verdict}`, () => {
    const [finding] = judgeNeighbours(4, wanted, new Map([['net/ipv4/neigh/default/gc_thresh3', '1024']]));
    assert.equal(finding?.verdict, verdict);
    if (verdict === 'ok') return;
    const [first, second] = finding?.remedy?.commands ?? [];
    assert.equal(first, 'sysctl -w net/ipv4/neigh/default/gc_thresh3=2048');
    assert.equal(second, 'sysctl -w net/ipv4/neigh/default/gc_thresh2=1024');
  });
}

test('where no limit is told, nothing is said of it', () => {
  assert.deepEqual(judgeNeighbours(6, 10_000, new Map()), []);
  assert.deepEqual(judgeConnections(new Map()), []);
});

test('a table of connections that is four fifths full is a warning, a full one a failure', () => {
  const verdictAt = (count: number) =>
    judgeConnections(
      new Map([
        ['net/netfilter/nf_conntrack_count', String(count)],
        ['net/netfilter/nf_conntrack_max', '1000'],
      ]),
    )[0]?.verdict;
  assert.deepEqual([799, 800, 1000].map(verdictAt), ['ok', 'warn', 'fail']);
});

test('checksum errors are read by name, of both families', () => {
  const snmp = [
    'UdpLite: InDatagrams NoPorts InErrors InCsumErrors',
    'UdpLite: 1 2 3 4',
    'Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors',
    'Udp: 1000 5 70 900 0 0 60',
  ].join('\n');
  assert.deepEqual(parseSnmp(snmp), { wrong: 60, all: 1060, line: 'nstat -az UdpInCsumErrors: 60' });
  const snmp6 = 'Udp6InDatagrams                 \t7\nUdp6InCsumErrors                \t3\n';
  assert.deepEqual(parseSnmp6(snmp6), { wrong: 3, all: 10, line: 'nstat -az Udp6InCsumErrors: 3' });
  assert.equal(parseSnmp('').wrong, 0);
});

test('some wrong checksums among very many are what a wire does', () => {
  const counts = (wrong: number, all: number) => ({ wrong, all, line: '' });
  assert.equal(isSuspicious(counts(9, 9)), false);
  assert.equal(isSuspicious(counts(10, 100_000)), true);
  assert.equal(isSuspicious(counts(10, 100_001)), false);
});

test('no password of a command line is shown', () => {
  const argv = [
    ...['node', 'main.ts', 'run', '-etcd-endpoints=http://me:secret1@192.0.2.1:2379'],
    ...['-etcd-password', 'secret2', '--etcd-password=secret3'],
  ];
  const line = processLine({ pid: 7, state: 'S', argv, capabilities: new Set() });
  assert.doesNotMatch(line, /secret/);
  assert.match(line, /^ps: 7 S node main\.ts run -etcd-endpoints=http:\/\/me:\*\*\*@192/);
});
