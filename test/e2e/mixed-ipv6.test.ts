/**
 * Leases of IPv6 on the prefix of a real flanneld. Needs a flanneld of v0.28.9 or thereabouts:
 *
 *     FLANNELD=/usr/local/bin/flanneld npm test -- test/e2e/mixed-ipv6.test.ts
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay, type Underlay } from '../support/weft-underlay.ts';
import { configOf, envOf } from './backends-house.ts';

const flanneld = process.env['FLANNELD'] ?? '';
const skip = flanneld === '' && 'FLANNELD is not set: it names a flanneld to mix with';
let underlay: Underlay;
const scope = testScope({ after });
before(async () => {
  if (skip === false) underlay = await createUnderlay(scope);
});

const backend = { Type: 'vxlan' };

async function startFlanneld(host: WeftHost): Promise<Daemon> {
  const daemon = await host.start([flanneld, ...host.flags, '-v', '2']);
  await daemon.waitFor('subnet.env', () => existsSync(host.file('/run/flannel/subnet.env')));
  await daemon.waitForOutput(/Waiting for .* to renew lease/);
  return daemon;
}

async function prepare(host: WeftHost): Promise<void> {
  const number = host.address.split('.').at(-1);
  await host.netns.run('sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
  await host.netns.ipBatch([`address add 2001:db8::${number}/64 dev eth0 nodad`]);
}

async function keysOf({ prefix }: Cluster): Promise<string[]> {
  const text = await underlay.etcd.ctl('get', '--prefix', '--keys-only', `${prefix}/subnet`);
  return text
    .split('\n')
    .filter(Boolean)
    .map(key => key.slice(prefix.length + 1));
}

for (const families of [[4], [4, 6]] as const) {
  const name = families.map(family => `IPv${family}`).join(' and ');
  test(`leases of IPv6 alone come and go beside a flanneld of ${name}, which keeps every route and can start anew`, {
    skip,
  }, async t => {
    const scope = testScope(t);
    const cluster = await createCluster(scope, underlay, { config: configOf({ backend, families }) });
    const [a, b, c] = await cluster.addHosts('a', 'b', 'c');
    for (const host of [a, b, c]) await prepare(host);
    let theirs = await startFlanneld(a);
    await startFlanneld(b);
    const routes = (): Promise<string> => a.netns.run('ip route show dev flannel.1');
    await eventually('a route', async () => (await routes()).includes('onlink'));
    const before = await routes();
    const dropped: KernelEvent[] = [];
    const watch = monitor({
      netns: a.netns.path,
      objects: ['route', 'fdb', 'link'],
      onEvent: event => event.type !== 'present' && dropped.push(event),
    });
    scope.defer('kernel monitor', () => watch.close());
    await cluster.put('config', configOf({ backend, families: [6] }));
    const weft = await c.join();
    assert.ok((await keysOf(cluster)).some(key => key.startsWith('subnet6/')));
    const own = (await keysOf(cluster)).find(key => key.startsWith('subnet6/')) ?? '';
    for (let times = 0; times < 3; times++) {
      await cluster.delete(own);
      await eventually('the lease written again', async () => (await keysOf(cluster)).includes(own));
    }
    await weft.kill();
    await cluster.put('config', configOf({ backend, families }));
    assert.deepEqual(dropped, []);
    assert.equal(await routes(), before);
    assert.doesNotMatch(theirs.output, /panic/i);

    await theirs.stop();
    theirs = await startFlanneld(a);
    await eventually('a route', async () => (await routes()) === before);
    assert.equal(theirs.exit, undefined);
  });
}

test('weft takes a host of both families over from flanneld, with its subnets', { skip }, async t => {
  const cluster = await createCluster(testScope(t), underlay, {
    config: configOf({ backend, families: [4, 6] }),
  });
  const [a, b] = await cluster.addHosts('a', 'b');
  for (const host of [a, b]) await prepare(host);
  const theirs = await startFlanneld(a);
  const weft = await b.join();
  const [keys, env] = [await keysOf(cluster), await envOf(a)];
  assert.ok(keys.length === 2 && keys.every(key => key.includes('&')), `${keys}`);
  for (const host of [a, b]) {
    for (const dev of ['flannel.1', 'flannel-v6.1']) {
      const family = dev === 'flannel.1' ? '-4' : '-6';
      await eventually(`${host.name}'s route over ${dev}`, async () =>
        (await host.netns.run(`ip ${family} route show dev ${dev}`)).includes('onlink'),
      );
    }
  }
  await theirs.stop();
  const ours = await a.join();
  assert.match(ours.output, /leased \S+ and \S+ how=kept/);
  assert.deepEqual(await keysOf(cluster), keys);
  assert.deepEqual(await envOf(a), { ...env, MTU: '1430' }, 'all but the MTU, which is right for IPv6');
  assert.equal(weft.exit, undefined);
});

test('weft takes a host over that flanneld ran with IPv6 alone, and puts its lease where it harms nobody', {
  skip,
}, async t => {
  const cluster = await createCluster(testScope(t), underlay, {
    config: configOf({ backend, families: [6] }),
  });
  const [a] = await cluster.addHosts('a');
  await prepare(a);
  const theirs = await startFlanneld(a);
  const [key = ''] = await keysOf(cluster);
  assert.match(key, /^subnets\/0\.0\.0\.0-0&fd02:/);
  await theirs.stop();
  await a.join();
  assert.deepEqual(await keysOf(cluster), [key.replace('subnets/0.0.0.0-0&', 'subnet6/')]);
});
