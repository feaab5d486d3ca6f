/**
 * The main job, all of it real: two Docker hosts, their subnets leased by `weft run` through etcd, their containers
 * joined through the kernel's VXLAN.
 *
 *     [c1] docker0 host-a eth0 ──┐               ┌── eth0 host-b docker0 [c1]
 *                   192.0.2.1    ├──── br0 ──────┤     192.0.2.2
 *                                └─ etcd 192.0.2.10
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { type Container, createDockerHost, type DockerHost } from '../support/docker-host.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, joinBySwitch, type Netns } from '../support/netns.ts';
import { skipWithoutRealRoot } from '../support/privilege.ts';

const etcdUrl = 'http://192.0.2.10:2379';
const networkConfig = {
  Network: '10.2.0.0/16',
  SubnetLen: 24,
  SubnetMin: '10.2.1.0',
  SubnetMax: '10.2.20.0',
  Backend: { Type: 'vxlan' },
};

test('containers on two Docker hosts reach each other by their own addresses', {
  skip: skipWithoutRealRoot,
}, async t => {
  const scope = testScope(t);
  const etcd = await createNetns(scope, 'etcd');
  // One host with each kind of iptables, since dockerd meets both in the wild.
  const hostA = await createDockerHost(scope, 'host-a', { iptables: 'legacy' });
  const hostB = await createDockerHost(scope, 'host-b', { iptables: 'nft' });
  await joinBySwitch(scope, [
    { netns: hostA.netns, address: '192.0.2.1/24' },
    { netns: hostB.netns, address: '192.0.2.2/24' },
    { netns: etcd, address: '192.0.2.10/24' },
  ]);
  await startEtcd(scope, etcd);
  const [subnetA, subnetB] = await Promise.all([joinNetwork(hostA), joinNetwork(hostB)]);
  await Promise.all([routeTo(hostA, subnetB), routeTo(hostB, subnetA)]);
  const [a, b] = await Promise.all([startContainer(hostA), startContainer(hostB)]);

  await t.test('each container has an address of the subnet that its host leased, and its MTU', async () => {
    assert.notEqual(subnetA, subnetB);
    for (const [container, subnet] of [[a, subnetA] as const, [b, subnetB] as const]) {
      assert.equal(container.address, subnet.replace(/\.0\/24$/, '.2'));
      assert.equal(await container.run('cat /sys/class/net/eth0/mtu'), '1450\n');
    }
  });

  await t.test('they ping each other, and nothing is lost', async () => {
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      assert.match(
        await from.run(['ping', '-c5', '-i0.2', '-W5', to.address]),
        /5 packets received, 0% packet loss/,
      );
    }
  });

  await t.test(
    '8 MiB over TCP arrive as they were, from an address that nobody has masqueraded',
    async () => {
      for (const [from, to] of [[a, b] as const, [b, a] as const]) {
        await to.run(['wget', '-q', '-O', '/tmp/blob', `http://${from.address}:8080/blob`], {
          timeoutMs: 30_000,
        });
        const sums = [await from.run('sha256sum /tmp/www/blob'), await to.run('sha256sum /tmp/blob')];
        assert.equal(sums[0]?.split(' ')[0], sums[1]?.split(' ')[0]);
        assert.equal(await to.run('stat -c %s /tmp/blob'), `${8 * 1024 * 1024}\n`);
        assert.deepEqual(peersIn(await from.logs()), [to.address]);
      }
    },
  );

  await t.test('1422 bytes of ping pass unfragmented, which fills the MTU, and 1423 do not', async () => {
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      await from.runFromHost(['ping', '-c1', '-W5', '-M', 'do', '-s', '1422', to.address]);
      await assert.rejects(
        from.runFromHost(['ping', '-c1', '-W1', '-M', 'do', '-s', '1423', to.address]),
        /message too long, mtu[=:] ?1450/i,
      );
    }
  });
});

async function startEtcd(scope: Scope, netns: Netns): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'etcd-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  const etcd = await netns.start([
    ...['etcd', '--data-dir', folder, '--log-level', 'warn', '--listen-peer-urls', 'http://127.0.0.1:2380'],
    ...['--listen-client-urls', etcdUrl, '--advertise-client-urls', etcdUrl],
  ]);
  // Killed here rather than with its namespace, so that it no longer writes when its folder goes.
  scope.defer('etcd', async () => {
    await etcd.kill();
  });
  const etcdctl = (...args: string[]) =>
    netns.run(['etcdctl', '--endpoints', etcdUrl, ...args], { env: { ETCDCTL_API: '3' } });
  await etcd.waitFor('healthy etcd', () => etcdctl('endpoint', 'health'));
  await etcdctl('put', '/coreos.com/network/config', JSON.stringify(networkConfig));
}

/** Starts the daemon; the network works for this host when subnet.env is there. Gives the leased subnet. */
async function joinNetwork(host: DockerHost): Promise<string> {
  const weft = await host.start(`bin/weft run -etcd-endpoints ${etcdUrl} -iface eth0 -ip-masq`);
  const file = '/run/flannel/subnet.env';
  await weft.waitFor(file, () => existsSync(host.file(file)));
  const text = await host.readFile(file);
  assert.match(text, /^FLANNEL_MTU=1450$/m);
  const gateway = /^FLANNEL_SUBNET=(\S+)\.1\/24$/m.exec(text)?.[1];
  assert.ok(gateway, text);
  return `${gateway}.0/24`;
}

async function routeTo(host: DockerHost, subnet: string): Promise<void> {
  await eventually(`route on ${host.name} to ${subnet}`, async () =>
    (await host.run('ip route')).includes(`${subnet} via ${subnet.replace('/24', '')} dev flannel.1 onlink`),
  );
}

/** Starts dockerd as `weft docker-opts` says, and a container that serves 8 MiB of random bytes. */
async function startContainer(host: DockerHost): Promise<Container> {
  await host.run('bin/weft docker-opts');
  const options = /^DOCKER_OPTS="(.*)"$/m.exec(await host.readFile('/run/docker_opts.env'))?.[1];
  assert.match(options ?? '', /^ --bip=10\.2\.\d+\.1\/24 --ip-masq=false --mtu=1450$/);
  const docker = await host.startDocker((options ?? '').trim().split(' '));
  const serve =
    'mkdir /tmp/www && dd if=/dev/urandom of=/tmp/www/blob bs=1024 count=8192 && exec httpd -f -vv -p 8080 -h /tmp/www 2>&1';
  const container = await docker.startContainer('c1', ['sh', '-c', serve]);
  await eventually('listening httpd', async () => (await container.run('netstat -ltn')).includes(':8080 '));
  return container;
}

/** Those whose requests httpd has logged: `[::ffff:10.2.7.2]:41522: url:/blob`. */
function peersIn(log: string): string[] {
  const peers = log.matchAll(/^\[?(?:::ffff:)?([\d.]+)\]?:\d+: url:/gm);
  return [...peers].map(match => match[1] ?? '');
}
