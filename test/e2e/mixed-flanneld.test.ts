/**
 * One network, a real flanneld on one host and Weft on the other. Needs a flanneld of v0.28.9 or thereabouts:
 *
 *     FLANNELD=/usr/local/bin/flanneld npm test -- test/e2e/mixed-flanneld.test.ts
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster, eventuallyMeshed, leaseOf } from '../support/weft-cluster.ts';
import type { Container, WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay, type Underlay } from '../support/weft-underlay.ts';

const flanneld = process.env['FLANNELD'] ?? '';
const skip = flanneld === '' && 'FLANNELD is not set: it names a flanneld to mix with';
let underlay: Underlay;
const scope = testScope({ after });
before(async () => {
  if (skip === false) underlay = await createUnderlay(scope);
});

interface Mixed {
  readonly cluster: Cluster;
  /** Where flanneld runs. */
  readonly a: WeftHost;
  /** Where Weft runs. */
  readonly b: WeftHost;
}

async function mixedNetwork(t: Parameters<typeof testScope>[0]): Promise<Mixed> {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await a.netns.run('sysctl -q -w net.ipv4.ip_forward=1');
  return { cluster, a, b };
}

async function startFlanneld(host: WeftHost): Promise<Daemon> {
  const daemon = await host.start([flanneld, ...host.flags, '-v', '2']);
  await daemon.waitFor('subnet.env', () => existsSync(host.file('/run/flannel/subnet.env')));
  await daemon.waitForOutput(/Running backend|Waiting for .* to renew lease/);
  return daemon;
}

async function pingBothWays(one: Container, other: Container): Promise<void> {
  for (const [from, to] of [[one, other] as const, [other, one] as const]) {
    await from.netns.run(['ping', '-c3', '-i0.1', '-W5', to.address]);
  }
}

for (const first of ['flanneld', 'weft'] as const) {
  test(`whoever starts first, here ${first}: containers reach each other both ways, and restarts lose nothing`, {
    skip,
  }, async t => {
    const { cluster, a, b } = await mixedNetwork(t);
    const start = { flanneld: () => startFlanneld(a), weft: () => b.join() };
    const daemons: Record<string, Daemon> = {};
    for (const name of first === 'flanneld'
      ? (['flanneld', 'weft'] as const)
      : (['weft', 'flanneld'] as const)) {
      daemons[name] = await start[name]();
    }
    await eventuallyMeshed(cluster, [a, b]);
    const [one, other] = [await a.addContainer(), await b.addContainer()];
    await pingBothWays(one, other);

    const ping = await startPing(one.netns, other.address);
    await daemons['weft']?.kill();
    await b.join();
    await eventuallyMeshed(cluster, [a, b]);
    await ping.more(20);
    assert.deepEqual(await daemons['flanneld']?.stop(), { code: 0, signal: null });
    const again = await startFlanneld(a);
    await eventuallyMeshed(cluster, [a, b]);
    t.diagnostic(await assertNothingLost(ping));
    assert.equal(again.exit, undefined);
    await pingBothWays(one, other);
  });
}

test('our writes never make flanneld drop a route, and a lease that was deleted and taken again is followed', {
  skip,
}, async t => {
  const { cluster, a, b } = await mixedNetwork(t);
  const theirs = await startFlanneld(a);
  let weft = await b.join();
  await eventuallyMeshed(cluster, [a, b]);
  const dropped: KernelEvent[] = [];
  const watch = monitor({
    netns: a.netns.path,
    objects: ['route', 'fdb', 'link'],
    onEvent: event => event.type !== 'present' && dropped.push(event),
  });
  for (let times = 0; times < 3; times++) {
    const { leaseId } = await leaseOf(cluster, b);
    await weft.kill();
    weft = await b.join();
    assert.notEqual((await leaseOf(cluster, b)).leaseId, leaseId, 'written again');
  }
  await eventuallyMeshed(cluster, [a, b]);
  watch.close();
  assert.deepEqual(dropped, []);

  await cluster.delete((await leaseOf(cluster, b)).key);
  await weft.waitForOutput(/renewed the lease of \S+ why=deleted/);
  await eventuallyMeshed(cluster, [a, b]);
  assert.equal(theirs.exit, undefined);
  assert.doesNotMatch(theirs.output, /panic/i);
});

test('weft takes a host over from flanneld: same device, MAC, subnet and lease, and no packet is lost', {
  skip,
}, async t => {
  const { cluster, a, b } = await mixedNetwork(t);
  const theirs = await startFlanneld(a);
  await b.join();
  await eventuallyMeshed(cluster, [a, b]);
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const before = { device: await a.netns.run('ip -d link show flannel.1'), lease: await leaseOf(cluster, a) };
  const env = await a.subnetEnv();
  const ping = await startPing(other.netns, one.address);
  await theirs.stop();
  const weft = await a.join();
  assert.match(weft.output, /leased \S+ how=kept/);
  assert.match(weft.output, /1 peers applied added=0 replaced=0 deleted=0/);
  t.diagnostic(await assertNothingLost(ping));
  assert.equal(await a.netns.run('ip -d link show flannel.1'), before.device);
  assert.deepEqual({ ...(await leaseOf(cluster, a)), leaseId: '' }, { ...before.lease, leaseId: '' });
  assert.deepEqual(await a.subnetEnv(), env);
});

test('flanneld takes a host over from weft: same device, MAC, subnet and lease, and no packet is lost', {
  skip,
}, async t => {
  const { cluster, a, b } = await mixedNetwork(t);
  const weft = await a.join();
  await b.join();
  await eventuallyMeshed(cluster, [a, b]);
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const before = { device: await a.netns.run('ip -d link show flannel.1'), lease: await leaseOf(cluster, a) };
  const env = await a.subnetEnv();
  const ping = await startPing(other.netns, one.address);
  await weft.stop();
  const theirs = await startFlanneld(a);
  await eventually('renewed lease', async () => (await leaseOf(cluster, a)).leaseId !== before.lease.leaseId);
  await eventuallyMeshed(cluster, [a, b]);
  t.diagnostic(await assertNothingLost(ping));
  assert.equal(await a.netns.run('ip -d link show flannel.1'), before.device);
  assert.deepEqual({ ...(await leaseOf(cluster, a)), leaseId: '' }, { ...before.lease, leaseId: '' });
  assert.deepEqual(await a.subnetEnv(), env);
  assert.equal(theirs.exit, undefined);
});
