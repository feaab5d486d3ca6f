/** What others write into etcd while daemons run: good leases are followed, and nothing else does any harm. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Daemon } from '../support/daemon.ts';
import { testScope } from '../support/leaks.ts';
import {
  type Cluster,
  createCluster,
  joinAll,
  leaseKey,
  leaseOf,
  leaseText,
} from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, type PeerFacts, type WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

/** A peer that exists in etcd only. */
const ghost: PeerFacts = { subnet: '10.2.30.0/24', publicIp: '192.0.2.230', mac: '0a:00:00:00:00:30' };

interface Pair {
  readonly cluster: Cluster;
  readonly a: WeftHost;
  readonly b: WeftHost;
  readonly weft: Daemon;
  /** How `a` sees `b`. */
  readonly peer: PeerFacts;
}

async function joinedPair(t: Parameters<typeof testScope>[0]): Promise<Pair> {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  assert.ok(weft);
  const { subnet, publicIp, mac } = await leaseOf(cluster, b);
  return { cluster, a, b, weft, peer: { subnet, publicIp, mac } };
}

/** Puts a good lease behind what is on trial, and waits for it: events come in order. */
async function passMarker({ cluster, a, peer }: Pair, marker = ghost): Promise<void> {
  await cluster.putLease(marker);
  await eventuallyLeadsTo(a, [peer, marker]);
  await cluster.delete(leaseKey(marker));
  await eventuallyLeadsTo(a, [peer]);
}

test('stray and malformed keys are one warning each, and every route stays', async t => {
  const pair = await joinedPair(t);
  const { cluster, a, b, weft, peer } = pair;
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const ping = await startPing(one.netns, other.address);
  const strays: ReadonlyArray<readonly [string, string]> = [
    ['subnets/test', 'x'],
    ['subnets/', ''],
    ['subnets/10.2.300.0-24', leaseText(ghost)],
    ['subnets/10.2.40.0-33', leaseText(ghost)],
    ['subnets/10.2.40.0-24hi', leaseText(ghost)],
    ['subnets/10.2.40.0-24/deeper', leaseText(ghost)],
    ['subnets/10.2.41.0-24', 'not JSON'],
    ['subnets/10.2.42.0-24', '{"PublicIP":"nowhere"}'],
    ['subnets/10.2.43.0-24', '[]'],
    ['subnets/10.2.44.0-24', ''],
  ];
  for (const [key, value] of strays) await cluster.put(key, value);
  await cluster.put('subnets-old/10.2.45.0-24', leaseText(ghost));
  await passMarker(pair);
  for (const [key] of strays) {
    const lines = weft.output
      .split('\n')
      .filter(line => line.endsWith(` key=${key}`) || line.includes(` key=${key} `));
    assert.equal(lines.length, 1, `${key}: ${lines.join('\n')}`);
    assert.match(lines[0] ?? '', / warn +ignoring the (key|value)/);
  }
  assert.equal(weft.output.match(/ warn /g)?.length, strays.length, weft.output);
  for (const [key] of strays) await cluster.delete(key);
  await passMarker(pair);
  await eventuallyLeadsTo(a, [peer]);
  await assertNothingLost(ping);
});

test('a peer whose value turns malformed stays as it was, and is followed again when it is right', async t => {
  const pair = await joinedPair(t);
  const { cluster, a, peer } = pair;
  await cluster.putLease(ghost);
  await eventuallyLeadsTo(a, [peer, ghost]);
  await cluster.put(leaseKey(ghost), '{"PublicIP":');
  const marker = { subnet: '10.2.31.0/24', publicIp: '192.0.2.231', mac: '0a:00:00:00:00:31' };
  await cluster.putLease(marker);
  await eventuallyLeadsTo(a, [peer, ghost, marker]);
  const moved = { ...ghost, publicIp: '192.0.2.232' };
  await cluster.putLease(moved);
  await eventuallyLeadsTo(a, [peer, moved, marker]);
});

test('a lease that must not be followed is refused and reported; others are not touched', async t => {
  const pair = await joinedPair(t);
  const { cluster, a, weft, peer } = pair;
  const own = await leaseOf(cluster, a);
  const ownHalf = own.subnet.replace('/24', '/25');
  const foreign: ReadonlyArray<readonly [string, PeerFacts, object, RegExp]> = [
    [
      'outside the network',
      { ...ghost, subnet: '10.3.0.0/24' },
      {},
      /10\.3\.0\.0\/24.* lies outside the Network 10\.2\.0\.0\/16/,
    ],
    [
      'wider than the network',
      { ...ghost, subnet: '10.0.0.0/8' },
      {},
      /10\.0\.0\.0\/8.* lies outside the Network/,
    ],
    ['half of our own', { ...ghost, subnet: ownHalf }, {}, /overlaps our own/],
    ['with our own address', { ...ghost, publicIp: a.address }, {}, /publishes our own address/],
    ['with our own MAC', { ...ghost, mac: own.mac }, {}, /has our own VTEP's MAC/],
    ['with a group MAC', { ...ghost, mac: '01:00:5e:00:00:01' }, {}, /is no address of a single host/],
    ['with the MAC of nobody', { ...ghost, mac: '00:00:00:00:00:00' }, {}, /is no address of a single host/],
    ['with a MAC that is none', { ...ghost, mac: 'nonsense' }, {}, /unusable backend data/],
    ['with another VNI', ghost, { BackendData: { VNI: 2, VtepMAC: ghost.mac } }, /has VNI 2, ours is 1/],
    ['of another backend', ghost, { BackendType: 'host-gw' }, /has the backend host-gw, ours is vxlan/],
    [
      'without backend data',
      ghost,
      { BackendData: undefined },
      /unusable backend data: BackendData is missing/,
    ],
    ['without an address', ghost, { PublicIP: '0.0.0.0' }, /publishes no IPv4 address/],
    ['with the MAC of a peer', { ...ghost, mac: peer.mac }, {}, /claims the subnet or VTEP MAC of /],
    ['that overlaps a peer', { ...ghost, subnet: peer.subnet.replace('/24', '/25') }, {}, /claims|overlaps/],
  ];
  for (const [what, facts, more, reported] of foreign) {
    await t.test(what, async () => {
      const from = weft.output.length;
      await cluster.putLease(facts, more);
      await weft.waitFor(`report of a lease ${what}`, () => reported.test(weft.output.slice(from)));
      await passMarker(pair, { subnet: '10.2.31.0/24', publicIp: '192.0.2.231', mac: '0a:00:00:00:00:31' });
      const warnings = weft.output.slice(from).match(/ warn .*/g) ?? [];
      assert.equal(warnings.length, 1, warnings.join('\n'));
      await cluster.delete(leaseKey(facts));
      await passMarker(pair);
    });
  }
});

test('a peer that becomes unfit loses its entries, and gets them back when it is fit again', async t => {
  const pair = await joinedPair(t);
  const { cluster, a, peer } = pair;
  await cluster.putLease(ghost);
  await eventuallyLeadsTo(a, [peer, ghost]);
  await cluster.putLease(ghost, { PublicIP: a.address });
  await eventuallyLeadsTo(a, [peer]);
  await cluster.putLease(ghost);
  await eventuallyLeadsTo(a, [peer, ghost]);
});

test('a peer that publishes another backend is reached as before, which is said, until its lease ends', async t => {
  const { cluster, a, peer, weft } = await joinedPair(t);
  await cluster.putLease(ghost);
  await eventuallyLeadsTo(a, [peer, ghost]);
  await cluster.putLease(ghost, { BackendType: 'host-gw' });
  await weft.waitForOutput(/is left out in part: it has the backend host-gw, ours is vxlan/);
  await eventuallyLeadsTo(a, [peer, ghost]);
  await cluster.delete(leaseKey(ghost));
  await eventuallyLeadsTo(a, [peer]);
});

test('changes of a peer are followed, each entry in place, and nothing old is left', async t => {
  const { cluster, a, peer } = await joinedPair(t);
  const changes: readonly PeerFacts[] = [
    ghost,
    { ...ghost, mac: '0a:00:00:00:00:99' },
    { ...ghost, publicIp: '192.0.2.239' },
    { ...ghost, mac: '0a:00:00:00:00:77', publicIp: '192.0.2.238' },
    ghost,
  ];
  for (const facts of changes) {
    await cluster.putLease(facts);
    await eventuallyLeadsTo(a, [peer, facts]);
  }
  await cluster.delete(leaseKey(ghost));
  await eventuallyLeadsTo(a, [peer]);
});

test('a refused peer is followed as soon as the one it collides with has left', async t => {
  const { cluster, a, weft, peer } = await joinedPair(t);
  const rival = { ...ghost, subnet: '10.2.31.0/24', publicIp: '192.0.2.231' };
  await cluster.putLease(ghost);
  await eventuallyLeadsTo(a, [peer, ghost]);
  await cluster.putLease(rival);
  await weft.waitForOutput(
    /10\.2\.31\.0\/24 is left out: it claims the subnet or VTEP MAC of 10\.2\.30\.0-24/,
  );
  await cluster.delete(leaseKey(ghost));
  await eventuallyLeadsTo(a, [peer, rival]);
});

test('a lease that expires takes its peer with it', async t => {
  const { cluster, a, peer } = await joinedPair(t);
  const granted = await underlay.etcd.ctl('lease', 'grant', '2');
  await cluster.put(leaseKey(ghost), leaseText(ghost), /lease (\S+) granted/.exec(granted)?.[1]);
  await eventuallyLeadsTo(a, [peer, ghost]);
  await eventuallyLeadsTo(a, [peer]);
});

test('a burst of changes ends in what etcd holds', async t => {
  const { cluster, a, peer } = await joinedPair(t);
  const peers = Array.from({ length: 60 }, (_, index) => ({
    subnet: `10.2.${100 + index}.0/24`,
    publicIp: `192.0.2.${150 + (index % 50)}`,
    mac: `0a:00:00:00:01:${(16 + index).toString(16)}`,
  }));
  const gone = peers.filter((_, index) => index % 3 === 0);
  await Promise.all(peers.map(facts => cluster.putLease(facts)));
  await Promise.all(gone.map(facts => cluster.delete(leaseKey(facts))));
  await eventuallyLeadsTo(a, [peer, ...peers.filter(facts => !gone.includes(facts))]);
});
