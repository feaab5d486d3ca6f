/** The registry is away for long, a thousand leases change meanwhile: each change is made once, and nothing else. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster, leaseKey, leaseText } from '../support/weft-cluster.ts';
import { overlayFor, type PeerFacts } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

/** Of 1,500 peers 300 leave, 300 move to another host, 200 take another MAC, 700 stay; 200 are new: 1,000 changes. */
const [leave, move, remac, stay, come] = [300, 300, 200, 700, 200];
const config =
  '{"Network":"10.0.0.0/8","SubnetMin":"10.250.0.0","SubnetMax":"10.250.9.0","Backend":{"Type":"vxlan"}}';

type Kind = 'leave' | 'move' | 'remac' | 'stay' | 'come';

const kinds: readonly Kind[] = [
  ...Array<Kind>(leave).fill('leave'),
  ...Array<Kind>(move).fill('move'),
  ...Array<Kind>(remac).fill('remac'),
  ...Array<Kind>(stay).fill('stay'),
  ...Array<Kind>(come).fill('come'),
];

interface Change {
  readonly kind: Kind;
  readonly before: PeerFacts | undefined;
  readonly after: PeerFacts | undefined;
}

const changes: readonly Change[] = kinds.map((kind, index) => {
  const [high, low] = [index >> 8, index & 255];
  const hex = [high, low].map(value => value.toString(16).padStart(2, '0')).join(':');
  const peer = {
    subnet: `10.${high}.${low}.0/24`,
    publicIp: `198.18.${high}.${low}`,
    mac: `0a:00:00:00:${hex}`,
  };
  const changed = {
    ...peer,
    ...(kind === 'move' ? { publicIp: `198.19.${high}.${low}` } : {}),
    ...(kind === 'remac' ? { mac: `0a:00:00:01:${hex}` } : {}),
  };
  return {
    kind,
    before: kind === 'come' ? undefined : peer,
    after: kind === 'leave' ? undefined : changed,
  };
});

/** What a change does to the kernel, one entry for each notice, in any order. */
function noticesOf({ kind, before, after }: Change): string[] {
  const peer = after ?? before;
  assert.ok(peer);
  const gateway = peer.subnet.replace('/24', '');
  const all = (verb: string) => [
    ...[
      `${verb} fdb ${peer.mac} ${peer.publicIp}`,
      `${verb} neighbour ${gateway}`,
      `${verb} route ${peer.subnet}`,
    ],
  ];
  switch (kind) {
    case 'leave':
      return all('gone');
    case 'come':
      return all('present');
    case 'move':
      return [`present fdb ${peer.mac} ${peer.publicIp}`];
    case 'remac':
      return [
        ...[`present fdb ${peer.mac} ${peer.publicIp}`, `present neighbour ${gateway}`],
        `gone fdb ${before?.mac} ${before?.publicIp}`,
      ];
    case 'stay':
      return [];
  }
}

for (const compacted of [false, true]) {
  const title = compacted
    ? 'and its history is compacted, so that all is listed anew'
    : 'and its history is told';
  test(`an outage during which 1,000 leases of 1,700 change, ${title}: each change is applied once`, async t => {
    const scope = testScope(t);
    const underlay = await createUnderlay(scope);
    const { etcd } = underlay;
    const cluster = await createCluster(scope, underlay, { config });
    const [a] = await cluster.addHosts('a');
    await write(
      cluster,
      changes.flatMap(({ before }) => (before === undefined ? [] : [put(cluster, before)])),
    );
    // By next hops a peer would be one object more, with notices of its own.
    const weft = await a.join(['-route-next-hops=never']);
    const facts = (which: 'before' | 'after'): PeerFacts[] => changes.flatMap(change => change[which] ?? []);
    assert.deepEqual(await a.overlay(), overlayFor(facts('before')));

    // Out of the hosts' reach, not of etcdctl's.
    await etcd.stop();
    await etcd.start('http://127.0.0.2:2379');
    await weft.waitForOutput(/the registry is out of reach: the network stays as it is/);
    await write(
      cluster,
      changes.flatMap(({ kind, before, after }) => {
        if (kind === 'stay') return [];
        if (after !== undefined) return [put(cluster, after)];
        return before === undefined ? [] : [`del ${cluster.prefix}/${leaseKey(before)}`];
      }),
    );
    if (compacted) {
      const answer = await etcd.ctl('get', 'x', '-w', 'json');
      await etcd.ctl('compact', /"revision":(\d+)/.exec(answer)?.[1] ?? '', '--physical');
    }
    assert.deepEqual(await a.overlay(), overlayFor(facts('before')));

    const notices: string[] = [];
    const onEvent = (event: KernelEvent): void => void notices.push(...describe(event));
    scope.own('monitor', monitor({ netns: a.netns.path, onEvent }));
    await etcd.stop();
    await etcd.start();
    await weft.waitForOutput(/info +the registry is there again/);
    await eventually('everything that changed', async () => {
      assert.deepEqual(await a.overlay(), overlayFor(facts('after')));
      return true;
    });
    // In order: when this one is there, all that was caused before are.
    await a.netns.run('ip route add blackhole 203.0.113.7/32');
    await eventually('the last notice', () => notices.includes('present route 203.0.113.7/32'));
    assert.deepEqual(notices.slice(0, -1).sort(), changes.flatMap(noticesOf).sort());
    assert.doesNotMatch(weft.output, /repaired|refused/);
  });
}

function put({ prefix }: Cluster, peer: PeerFacts): string {
  return `put ${prefix}/${leaseKey(peer)} ${JSON.stringify(leaseText(peer))}`;
}

/** A transaction takes 128 operations at most. */
async function write({ underlay: { etcd } }: Cluster, operations: readonly string[]): Promise<void> {
  for (let at = 0; at < operations.length; at += 128) {
    await etcd.ctlWithInput(`\n${operations.slice(at, at + 128).join('\n')}\n\n\n`, 'txn');
  }
}

/** Neighbours of the underlay come and go by themselves, and one that is deleted is first told as failed. */
function describe(event: KernelEvent): string[] {
  if (event.type === 'overrun') return ['overrun'];
  const { type, value } = event.object;
  switch (type) {
    // The kernel's own of IPv6 come when it has seen that nobody else has them.
    case 'address':
      return value.local.startsWith('fe80:') ? [] : [`${event.type} address ${value.local}`];
    case 'route':
      if (value.dst.startsWith('fe80:')) return [];
      return [`${event.type} route ${value.dst}`];
    case 'fdb':
      return [`${event.type} fdb ${value.lladdr} ${value.dst}`];
    case 'neighbour':
      if (!value.dst.startsWith('10.') || (event.type === 'present' && value.state !== 'permanent'))
        return [];
      return [`${event.type} neighbour ${value.dst}`];
    default:
      return [`${event.type} ${type}`];
  }
}
