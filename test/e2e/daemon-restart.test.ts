/** Daemons come and go; packets do not notice. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type KernelEvent, type MonitoredObject, monitor } from '../../src/kernel/monitor.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed, joinAll, leaseOf } from '../support/weft-cluster.ts';
import { type WeftHost, waitUntilReady } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

test('kill -9 of a daemon and its restart lose no packet of a running ping, on either side', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const daemons = await joinAll(cluster, [a, b]);
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const ping = await startPing(one.netns, other.address);
  for (const daemon of daemons) {
    await daemon.kill();
    await ping.more(20);
    await waitUntilReady(await daemon.restart());
    await ping.more(20);
  }
  await assertNothingLost(ping);
});

test('SIGTERM ends a daemon with exit code 0, leaves the data path standing, and a restart loses nothing either', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const before = await stateOf(a);
  const ping = await startPing(one.netns, other.address);
  assert.deepEqual(await weft?.stop(), { code: 0, signal: null });
  assert.deepEqual(await stateOf(a), before);
  await ping.more(20);
  await a.join();
  await assertNothingLost(ping);
  assert.deepEqual(await stateOf(a), before);
});

test('a restart with everything in place changes nothing in the kernel, and keeps subnet and MAC', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay);
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const [weft] = await joinAll(cluster, hosts);
  const [a] = hosts;
  const lease = await leaseOf(cluster, a);
  await weft?.kill();

  const changes: string[] = [];
  const watch = monitor({
    netns: a.netns.path,
    onEvent: event => changes.push(...describeChange(event)),
  });
  scope.defer('monitor', () => watch.close());
  const again = await a.join();
  assert.match(again.output, /2 peers applied added=0 replaced=0 deleted=0/);
  // Events come in order: when this one is there, all that the daemon caused are.
  await a.netns.run('ip route add blackhole 203.0.113.7/32');
  await eventually('the last event', () => changes.includes('present route 203.0.113.7/32'));
  assert.deepEqual(changes, ['present route 203.0.113.7/32']);
  const { subnet, mac } = await leaseOf(cluster, a);
  assert.deepEqual({ subnet, mac }, { subnet: lease.subnet, mac: lease.mac });
});

test('a host that was away for good comes back to its subnet by subnet.env, when that is still free', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  const { subnet, key } = await leaseOf(cluster, a);
  await weft?.kill();
  await cluster.delete(key);
  const again = await a.join();
  assert.match(again.output, /leased \S+ how=previous/);
  assert.equal((await leaseOf(cluster, a)).subnet, subnet);
  await eventuallyMeshed(cluster, [a, b]);
});

test('a host whose old subnet was given to another takes a new one, says so, and cleans up after itself', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  const { subnet, key, value } = await leaseOf(cluster, a);
  await weft?.kill();
  await cluster.put(
    key,
    value.replace(a.address, '192.0.2.200').replace(/[0-9a-f:]{17}/, '0a:00:00:00:00:c8'),
  );
  const again = await a.join();
  assert.match(again.output, new RegExp(`the subnet was ${subnet} and is now \\S+: restart Docker`));
  const lease = await leaseOf(cluster, a);
  assert.notEqual(lease.subnet, subnet);
  assert.equal((await a.subnetEnv()).subnet, lease.subnet);
  const addresses = await a.netns.run('ip -4 -o addr show dev flannel.1');
  assert.match(
    addresses,
    new RegExp(`^\\d+: flannel\\.1 +inet ${lease.subnet.replace('/24', '/32')} [^\\n]*\\n$`),
  );
  await eventuallyMeshed(cluster, [a, b]);
});

/** All of the host's links, addresses, routes and overlay entries, as text. */
async function stateOf(host: WeftHost): Promise<unknown> {
  const texts = ['ip -d link show flannel.1', 'ip -4 addr show dev flannel.1', 'ip route'];
  return [await host.overlay(), ...(await Promise.all(texts.map(text => host.netns.run(text))))];
}

/** Neighbours of the underlay come and go by themselves, and link-local addresses come late. */
function describeChange(event: KernelEvent): string[] {
  if (event.type === 'overrun') return ['overrun'];
  const { object } = event;
  if (object.type === 'neighbour' && object.value.state !== 'permanent') return [];
  const name = nameOf(object);
  return /^(fe80|ff00):/.test(name) ? [] : [`${event.type} ${object.type} ${name}`];
}

function nameOf(object: MonitoredObject): string {
  switch (object.type) {
    case 'link':
      return object.value.name;
    case 'address':
      return object.value.local;
    case 'route':
    case 'neighbour':
      return `${object.value.dst}`;
    case 'nexthop':
      return `${object.value.id}`;
    case 'fdb':
      return object.value.lladdr;
  }
}
