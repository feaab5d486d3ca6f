/** A whole daemon with ten thousand peers in a real etcd: its start, its restart, a burst of changes, and one change. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { fakePeer, scaleConfig } from '../../bench/scale/fake-peers.ts';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { eventuallyShows, firstPeers, linesOf, manyPeers } from './many-peers.ts';

const scope = testScope({ after });
const underlay = await createUnderlay(scope);

async function fill(cluster: Cluster, count: number, generation = 0): Promise<void> {
  const place = ['http://127.0.0.1:2379', cluster.prefix];
  await underlay.etcd.netns.run([
    ...[process.execPath, 'bench/scale/fill-leases.ts', ...place],
    ...[0, count, generation].map(String),
  ]);
}

test('with ten thousand peers the old guarantees hold', async t => {
  const cluster = await createCluster(scope, underlay, { config: scaleConfig });
  const [host] = await cluster.addHosts('host');
  const peers = firstPeers(manyPeers);
  await fill(cluster, manyPeers);
  const first = await host.join();
  await t.test('a start leads to every one of them, right to the entry', async () => {
    await eventuallyShows(host.netns, linesOf(peers), 'all peers');
  });
  await first.kill();

  const changes = listen(host);
  scope.defer('monitor', changes.close);
  const weft = await host.join();
  await t.test('a restart writes nothing', async () => {
    assert.match(weft.output, /10000 peers applied added=0 replaced=0 deleted=0/);
    assert.deepEqual(await changes.take(), []);
  });

  await t.test('a lease that changes is written as one peer, and nothing else is', async () => {
    await cluster.putLease(fakePeer(77, 1));
    peers.set(77, 1);
    const [{ mac: before, subnet }, { mac }] = [fakePeer(77), fakePeer(77, 1)];
    await changes.until(3);
    assert.deepEqual((await changes.take()).sort(), [
      `gone fdb ${before}`,
      `present fdb ${mac}`,
      `present neighbour ${subnet.replace('/24', '')}`,
    ]);
  });

  await t.test(
    'of five thousand leases that change at once none is lost, and no entry is touched twice',
    async t => {
      const changed = 5000;
      await fill(cluster, changed, 2);
      for (let number = 0; number < changed; number++) peers.set(number, 2);
      await eventuallyShows(host.netns, linesOf(peers), 'all changed peers');
      const seen = await changes.take();
      // A neighbour each that has another MAC, the entry of that MAC, and the one of the MAC before.
      assert.equal(new Set(seen).size, 3 * changed);
      assert.equal(seen.length, 3 * changed);
      t.diagnostic(`${seen.length} changes of the kernel, ${new Set(seen).size} different ones`);
    },
  );
  assert.equal(weft.exit, undefined);
});

/** Hears what changes in the host's kernel, as `present neighbour 10.0.1.0`. */
function listen(host: WeftHost) {
  let heard: string[] = [];
  let sentinels = 0;
  const watch = monitor({
    netns: host.netns.path,
    receiveBufferBytes: 64 * 1024 * 1024,
    onEvent: event => heard.push(...describe(event)),
  });
  return {
    close: async () => watch.close(),
    until: (count: number) => eventually(`${count} changes`, () => heard.length >= count),
    /** What was heard since the last call, of all that has happened until now: notices come in order. */
    take: async (): Promise<string[]> => {
      const last = `present route 203.0.113.${++sentinels}/32`;
      await host.netns.run(`ip route add blackhole 203.0.113.${sentinels}/32`);
      await eventually('the last notice', () => heard.includes(last));
      const told = heard.filter(line => line !== last);
      heard = [];
      return told;
    },
  };
}

/** Neighbours of the underlay come and go by themselves, and link-local addresses come late. */
function describe(event: KernelEvent): string[] {
  if (event.type === 'overrun') return ['overrun'];
  const { object } = event;
  if (object.type === 'neighbour' && object.value.state !== 'permanent') return [];
  const name = nameOf(object);
  return /^(fe80|ff00):/.test(name) ? [] : [`${event.type} ${object.type} ${name}`];
}

function nameOf({ type, value }: Exclude<KernelEvent, { type: 'overrun' }>['object']): string {
  switch (type) {
    case 'link':
      return value.name;
    case 'address':
      return value.local;
    case 'route':
    case 'neighbour':
      return `${value.dst}`;
    case 'nexthop':
      return `${value.id}`;
    case 'fdb':
      return value.lladdr;
  }
}
