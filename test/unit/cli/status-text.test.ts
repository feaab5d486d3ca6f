import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { StatusForm } from '../../../src/cli/status-form.ts';
import { renderStatus } from '../../../src/cli/status-text.ts';
import { isHealthy, type ToldStatus } from '../../../src/cli/told-status.ts';
import { now, peer, probe, told } from './status-house.ts';

const same = (text: string): string => text;
const plain = { heading: same, quiet: same, good: same, bad: same };

function linesOf(status: ToldStatus, columns = 80, form: Partial<StatusForm> = {}): string[] {
  const lines = renderStatus(status, { columns, paint: plain, entries: false, ...form }).split('\n');
  for (const line of lines) assert.ok(line.length <= columns, line);
  return lines;
}

const minute = 60_000;
const three = [peer(16), peer(50), peer(71)];
const probes = [
  probe(16),
  probe(50, { verdict: 'lossy', latencyMs: 12.34, lossRatio: 0.1 }),
  probe(71, { verdict: 'silent', latencyMs: undefined, lossRatio: 1, lastAnswerMs: undefined }),
];

test('at 80 columns peers have what probes found of them, and at 100 their MACs too', () => {
  const status = told({ peers: three, probes });
  assert.deepEqual(linesOf(status), [
    'interface   eth0, MTU 1500',
    'public IP   192.0.2.11',
    'network     10.2.0.0/16 by vxlan',
    'subnet      10.2.12.0/24',
    'lease       subnets/10.2.12.0-24, expires in 23 h',
    'containers  MTU 1450',
    'device      flannel.1 up, MTU 1450, ea:c9:cc:d8:8e:27',
    '            in 1.2 MB, out 34 GB (5 dropped)',
    'kernel      all 11 objects are as they shall be',
    'registry    etcd http://192.0.2.10:2379/coreos.com/network: answers',
    'daemon      weft 0.1.0, pid 4711, up 3 h, ready',
    '',
    '3 peers: 3 programmed; 1 answers, 1 without an answer, 1 lossy',
    '',
    'SUBNET        HOST        STATE       REACH      RTT      LOSS   LARGEST',
    '10.2.16.0/24  192.0.2.16  programmed  answers    0.21 ms  0 %    1450',
    '10.2.50.0/24  192.0.2.50  programmed  lossy      12.3 ms  10 %   1450',
    '10.2.71.0/24  192.0.2.71  programmed  no answer  -        100 %  1450',
  ]);
  assert.deepEqual(linesOf(status, 100).slice(-4), [
    'SUBNET        HOST        VTEP MAC           STATE       REACH      RTT      LOSS   LARGEST',
    '10.2.16.0/24  192.0.2.16  0a:00:00:00:00:10  programmed  answers    0.21 ms  0 %    1450',
    '10.2.50.0/24  192.0.2.50  0a:00:00:00:00:32  programmed  lossy      12.3 ms  10 %   1450',
    '10.2.71.0/24  192.0.2.71  0a:00:00:00:00:47  programmed  no answer  -        100 %  1450',
  ]);
  assert.ok(isHealthy(status), 'a peer that never answered may not know how to');
});

test('without a daemon that probes there are no columns for it', () => {
  const status = told({
    peers: three,
    more: { daemon: { runs: false, live: undefined, mute: undefined }, statistics: new Map() },
  });
  const lines = linesOf(status);
  assert.deepEqual(lines.slice(-6), [
    '3 peers: 3 programmed',
    '',
    'SUBNET        HOST        VTEP MAC           STATE',
    '10.2.16.0/24  192.0.2.16  0a:00:00:00:00:10  programmed',
    '10.2.50.0/24  192.0.2.50  0a:00:00:00:00:32  programmed',
    '10.2.71.0/24  192.0.2.71  0a:00:00:00:00:47  programmed',
  ]);
  assert.ok(lines.includes('daemon      does not run'));
  assert.ok(lines.includes('lease       subnets/10.2.12.0-24, expires in 23 h unless the daemon renews it'));
  assert.ok(!isHealthy(status));
});

test('a peer that has fallen silent is said to be so since when, and the host is not well', () => {
  const silent = { verdict: 'silent', lossRatio: 1, lastAnswerMs: now - 3 * minute } as const;
  const status = told({ peers: three, probes: [probe(16), probe(50, silent)] });
  const lines = linesOf(status);
  assert.equal(lines[12], '3 peers: 3 programmed; 1 answers, 1 silent');
  assert.equal(lines[17], '  silent since 12:03:00 (3 min): 10.2.50.0 answers no more');
  assert.ok(!isHealthy(status));
});

test('a peer that gets only small packets is told with both sizes', () => {
  const status = told({ peers: [peer(16)], probes: [probe(16, { largestBytes: 1400 })] });
  assert.equal(linesOf(status).at(-1), '  packets of 1450 bytes do not come through, of 1400 they do');
});

test('each family of a peer has its own row of what is found', () => {
  const [of4] = peer(16).families;
  assert.ok(of4);
  const subnet = parsePrefix('fd00:10:2:10::/64');
  const of6 = { ...of4, family: 6, subnet, address: parseIp('2001:db8::16') } as const;
  const name = { peer: '10.2.16.0-24&fd00:10:2:10::-64' };
  const status = told({
    peers: [{ ...peer(16), families: [of4, of6] }],
    probes: [
      probe(16, name),
      probe(16, {
        ...name,
        family: 6,
        address: parseIp('fd00:10:2:10::'),
        verdict: 'silent',
        latencyMs: undefined,
        lastAnswerMs: now - minute,
      }),
    ],
  });
  assert.deepEqual(linesOf(status).slice(-6), [
    '1 peer: 1 programmed; 1 silent',
    '',
    'SUBNET             HOST          STATE       REACH    RTT      LOSS  LARGEST',
    '10.2.16.0/24       192.0.2.16    programmed  answers  0.21 ms  0 %   1450',
    'fd00:10:2:10::/64  2001:db8::16              silent   -        0 %   1450',
    '  IPv6: silent since 12:05:00 (60 s): fd00:10:2:10:: answers no more',
  ]);
});

test('what the daemon repaired, and what troubles it, is told with its time', () => {
  const trouble = { level: 'warn', remedy: undefined, sinceMs: now - 20 * minute } as const;
  const lines = linesOf(
    told({
      network: {
        registry: { connected: false, staleSinceMs: now - 3 * minute, reconnects: 1 },
        repairs: {
          counts: { route: 12, fdb: 5 },
          last: [
            {
              ...{
                atMs: now - minute,
                command: 'ip route add 10.2.16.0/24 via 10.2.16.0 dev flannel.1 onlink',
              },
              ...{ reason: undefined, by: 'pid 59047 (nm)' },
            },
          ],
        },
        troubles: [
          { ...trouble, atMs: now - minute, count: 3, message: 'no renewal: etcd is \u001b[2Jsilent' },
          ...[2, 3, 4].map(ago => ({
            ...{ ...trouble, atMs: now - ago * minute, count: 1, message: `trouble ${ago}` },
          })),
        ],
      },
    }),
  );
  assert.deepEqual(lines.slice(9, 18), [
    'registry    etcd http://192.0.2.10:2379/coreos.com/network: answers; what the',
    '            daemon knows is stale since 12:03:00 (3 min)',
    'daemon      weft 0.1.0, pid 4711, up 3 h, ready',
    'repairs     17 repairs, last 12:05:00 `ip route add 10.2.16.0/24 via 10.2.16.0',
    '            dev flannel.1 onlink`, undone by pid 59047 (nm)',
    'troubles    12:05:00 no renewal: etcd is \\x1b[2Jsilent (3 times since 11:46:00)',
    '            12:04:00 trouble 2',
    '            12:03:00 trouble 3',
    '',
  ]);
});

interface Case {
  readonly status: ToldStatus;
  readonly line: string;
  readonly healthy: boolean;
}

const cases: Readonly<Record<string, Case>> = {
  'a daemon that is not ready says why': {
    status: told({ live: { ready: false, reason: 'the lease has expired' } }),
    line: 'daemon      weft 0.1.0, pid 4711, up 3 h, not ready: the lease has expired',
    healthy: false,
  },
  'a daemon without a lease says what it waits for': {
    status: told({
      live: {
        ...{ ready: false, reason: 'no lease yet', network: undefined },
        waiting: {
          ...{ atMs: now, sinceMs: now, count: 1, level: 'warn', remedy: undefined },
          message: 'waiting for the network config: there is none',
        },
      },
    }),
    line: 'troubles    12:06:00 waiting for the network config: there is none',
    healthy: false,
  },
  'a daemon that hangs is no running one': {
    status: told({ more: { daemon: { runs: true, live: undefined, mute: 'hangs' } } }),
    line: 'daemon      runs, but does not answer',
    healthy: false,
  },
  'a daemon that we may not ask is one': {
    status: told({ more: { daemon: { runs: true, live: undefined, mute: 'refuses' } } }),
    line: 'daemon      runs, and tells more to root and to its own group',
    healthy: true,
  },
  'an older daemon is one, too': {
    status: told({ more: { daemon: { runs: true, live: undefined, mute: undefined } } }),
    line: 'daemon      runs',
    healthy: true,
  },
  'a daemon whose registry is away is not content': {
    status: told({
      network: { registry: { connected: false, staleSinceMs: now - minute, reconnects: 0 } },
    }),
    line: '            daemon knows is stale since 12:05:00 (60 s)',
    healthy: false,
  },
  'a lease that has expired is told': {
    status: told({ more: { leaseEndsMs: now - 5 * minute } }),
    line: 'lease       subnets/10.2.12.0-24, expired 5 min ago',
    healthy: true,
  },
  'a lease that only the daemon can tell of is told by it': {
    status: told({
      more: {
        ...{ lease: undefined, kernel: undefined },
        registry: { name: 'etcd', reachable: false, problem: new WeftError('etcd-timeout', 'it is silent') },
      },
    }),
    line: 'lease       expires in 23 h, by what the daemon knows',
    healthy: false,
  },
  'a lease of which nobody knows the end ends within a day': {
    status: told({ more: { leaseEndsMs: undefined } }),
    line: 'lease       subnets/10.2.12.0-24, ends within a day unless it is renewed',
    healthy: true,
  },
};
for (const [title, { status, line, healthy }] of Object.entries(cases))
  test(title, () => {
    const lines = linesOf(status);
    assert.ok(lines.includes(line), lines.join('\n'));
    assert.equal(isHealthy(status), healthy);
  });

test('three thousand peers begin with what all of them are, and lines stay short', () => {
  const peers = Array.from({ length: 3000 }, (_, index) => peer(index % 250));
  const lines = linesOf(told({ peers, probes: [] }));
  assert.equal(lines[12], '3000 peers: 3000 programmed');
  assert.equal(lines.length, 15 + 3000);
});
