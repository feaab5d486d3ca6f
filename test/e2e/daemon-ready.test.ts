/** Ready means ready: the lease is valid, the peers are applied, and only then do files, probes and systemd say so. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNotifySocket, type NotifySocket } from '../support/notify-socket.ts';
import { type Cluster, createCluster, leaseText, usualConfig } from '../support/weft-cluster.ts';
import { healthFlags, waitUntilReady } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));
const subnetEnv = '/run/flannel/subnet.env';

test('/healthz and /readyz answer with flannel’s texts and codes from before the lease to the end', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a] = await cluster.addHosts('a');
  assert.equal(await a.health('/healthz'), 'ECONNREFUSED');
  const weft = await a.startWeft(healthFlags);
  await weft.waitForOutput(/waiting for the network config/);
  assert.equal(await a.health('/healthz'), '200 flanneld is running');
  assert.equal(await a.health('/readyz'), '503 flanneld is not ready yet: no lease yet');
  assert.equal(await a.health('/healthz?full=1'), '200 flanneld is running');
  assert.match(await a.health('/metrics'), /^404 /);
  await cluster.put('config', usualConfig);
  await waitUntilReady(weft);
  assert.equal(await a.health('/healthz'), '200 flanneld is running');
  assert.equal(await a.health('/readyz'), '200 flanneld is ready');
  await weft.stop();
  assert.equal(await a.health('/readyz'), 'ECONNREFUSED');
});

test('without -healthz-port nothing listens', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await a.join(['-peer-port', '0']);
  assert.doesNotMatch(await a.run('cat /proc/net/tcp /proc/net/tcp6'), / 0A /);
});

test('IP forwarding is switched on, and that is said; when it is on nothing is said', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const forwarding = () => a.netns.run('sysctl -n net.ipv4.ip_forward');
  assert.equal(await forwarding(), '0\n');
  const said = /IP forwarding was off, switched it on/;
  const first = await a.join();
  assert.match(first.output, said);
  assert.equal(await forwarding(), '1\n');
  await first.kill();
  assert.doesNotMatch((await a.join()).output, said);
});

test('a read-only /proc/sys, as containers have it, costs two warnings and nothing else', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await a.run('mount --bind /proc/sys /proc/sys');
  await a.run('mount -o remount,bind,ro /proc/sys');
  const weft = await a.join();
  assert.match(weft.output, /warn +net\/ipv4\/ip_forward could not be set to 1 .*EROFS.*remedy=/);
  assert.match(weft.output, /warn +net\/ipv6\/conf\/flannel\.1\/accept_ra could not be set to 0/);
});

test('systemd is told READY=1 once, when subnet.env is there and not before', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay);
  const [a] = await cluster.addHosts('a');
  const notify = await notifySocket(scope);
  const env = { NOTIFY_SOCKET: notify.path };
  await a.run('mount -t tmpfs -o ro tmpfs /run/flannel');
  const weft = await a.startWeft(healthFlags, { env });
  await weft.waitForOutput(/error not ready: trying again until it works problem=.*EROFS/);
  assert.match(await a.health('/readyz'), /^503 flanneld is not ready yet: /);
  assert.deepEqual(notify.read(), []);
  await a.run('umount /run/flannel');
  await waitUntilReady(weft);
  const told = await eventually('a word to systemd', () => {
    const texts = notify.read();
    return texts.length > 0 && texts;
  });
  assert.deepEqual(told, ['READY=1']);
  assert.ok(existsSync(a.file(subnetEnv)));
  assert.equal(await a.health('/readyz'), '200 flanneld is ready');
  await weft.stop();
  assert.deepEqual(notify.read(), []);
});

test('a service manager that is gone is a warning', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const weft = await a.join([], { env: { NOTIFY_SOCKET: '/run/no-such-socket' } });
  await weft.waitForOutput(/warn +the service manager could not be told that we are ready problem=ENOENT/);
});

test('subnet.env appears when the routes to all known peers are there, however many', async t => {
  const peers = 2000;
  const cluster = await createCluster(testScope(t), underlay, {
    config:
      '{"Network":"10.0.0.0/8","SubnetMin":"10.200.0.0","SubnetMax":"10.200.99.0","Backend":{"Type":"vxlan"}}',
  });
  const [a] = await cluster.addHosts('a');
  await putGhosts(cluster, peers);
  const weft = await a.startWeft();
  // Counted as soon as the file is seen: any route that came after it would be missed.
  await weft.waitFor('subnet.env', () => existsSync(a.file(subnetEnv)), { intervalMs: 1 });
  const { routes, neighbours, fdb } = await a.overlay();
  assert.deepEqual([routes.length, neighbours.length, fdb.length], [peers, peers, peers]);
});

test('a device that cannot be made keeps the host from being ready; it is made as soon as it can be', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay);
  const [a] = await cluster.addHosts('a');
  // Another program's VXLAN with the same VNI and port.
  await a.netns.run('ip link add other type vxlan id 1 dev eth0 dstport 8472');
  const weft = await a.startWeft(healthFlags);
  await weft.waitForOutput(/error not ready: trying again until it works problem=.*EEXIST/);
  assert.match(await a.health('/readyz'), /^503 /);
  assert.ok(!existsSync(a.file(subnetEnv)));
  await a.netns.run('ip link delete other');
  await waitUntilReady(weft);
  assert.equal(await a.health('/readyz'), '200 flanneld is ready');
  assert.match(await a.netns.run('ip -4 addr show dev flannel.1'), /inet 10\.2\.\d+\.0\/32 /);
});

/** In a folder that all hosts see. */
async function notifySocket(scope: Scope): Promise<NotifySocket> {
  const folder = await mkdtemp(path.join(tmpdir(), 'notify-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  return createNotifySocket(scope, path.join(folder, 'socket'));
}

/** Leases of hosts that do not exist, in transactions as large as etcd takes. */
async function putGhosts(cluster: Cluster, count: number): Promise<void> {
  const puts = Array.from({ length: count }, (_, index) => {
    const [high, low] = [1 + (index >> 8), index & 255];
    const mac = `0a:00:00:01:${[high, low].map(octet => octet.toString(16).padStart(2, '0')).join(':')}`;
    const value = leaseText({ publicIp: `198.18.${high}.${low}`, mac });
    return `put ${cluster.prefix}/subnets/10.${high}.${low}.0-24 ${JSON.stringify(value)}`;
  });
  for (let index = 0; index < count; index += 128) {
    await underlay.etcd.ctlWithInput(`\n${puts.slice(index, index + 128).join('\n')}\n\n\n`, 'txn');
  }
}
