/** Line by line what flanneld's host shows: see test/golden/flanneld-0.28.9/README.md. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster, joinAll, leaseOf } from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, type WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const golden = path.join(import.meta.dirname, '../golden/flanneld-0.28.9');
const underlay = await createUnderlay(testScope({ after }));

test('two hosts show what two hosts of flanneld show', async t => {
  const cluster = await createCluster(testScope(t), underlay, { prefix: '/coreos.com/network' });
  const [a, b] = await cluster.addHosts('a', 'b');
  const [, daemonB] = await joinAll(cluster, [a, b]);

  for (const [host, peer] of [[a, b] as const, [b, a] as const]) {
    const names = await namesOf(cluster, host, peer);
    for (const file of ['ip-route', 'ip-neigh', 'bridge-fdb', 'ip-d-link', 'ip-addr'] as const) {
      await t.test(`${commands[file]} on ${host.name}`, () =>
        eventuallyEqual(readGolden(`${file}.txt`), async () =>
          normalise(await host.run(commands[file]), names),
        ),
      );
    }
    await t.test(`subnet.env on ${host.name}, readable by all`, async () => {
      const { text } = await host.subnetEnv();
      assert.equal(normalise(text, names), readGolden('subnet.env'));
      assert.equal(modeOf(host.file('/run/flannel/subnet.env')), '644');
      assert.equal(modeOf(host.file('/run/flannel')), '755');
    });
    await t.test(`the lease of ${host.name} in etcd, which expires in 24 hours`, async () => {
      const { key, value, leaseId } = await leaseOf(cluster, host);
      assert.equal(normalise(`<prefix>/${key}\n${value}`, names), readGolden('lease.txt'));
      const ttl = await underlay.etcd.ctl('lease', 'timetolive', leaseId ?? '');
      assert.match(ttl, /granted with TTL\(86400s\), remaining\(86\d{3}s\)/);
    });
    await t.test(`sysctl of flannel.1 on ${host.name}`, async () => {
      for (const [key, value] of [
        ['net/ipv6/conf/flannel.1/accept_ra', '0'],
        ['net/ipv4/conf/flannel.1/forwarding', '1'],
      ] as const) {
        assert.equal(await host.run(['sysctl', '-n', key]), `${value}\n`, key);
      }
    });
  }

  await t.test('after SIGTERM all stays as it was, and the exit code is 0', async () => {
    const names = await namesOf(cluster, b, a);
    assert.deepEqual(await daemonB?.stop(), { code: 0, signal: null });
    for (const file of ['ip-route', 'ip-neigh', 'bridge-fdb', 'ip-d-link'] as const) {
      assert.equal(normalise(await b.run(commands[file]), names), readGolden(`${file}.txt`));
    }
  });

  await t.test('when the lease of a host is deleted, the other forgets it', async () => {
    await cluster.delete((await leaseOf(cluster, b)).key);
    await eventuallyLeadsTo(a, []);
    assert.match(await a.run('ip route'), /^192\.0\.2\.0\/24 dev eth0 [^\n]*\n$/);
  });
});

const commands = {
  'ip-route': 'ip route',
  'ip-neigh': 'ip neigh show dev flannel.1',
  'bridge-fdb': 'bridge fdb show dev flannel.1',
  'ip-d-link': 'ip -d link show flannel.1',
  'ip-addr': 'ip addr show dev flannel.1',
} as const;

type Names = ReadonlyArray<readonly [string, string]>;

/** What to call the things of this run, the longer texts first. */
async function namesOf(cluster: Cluster, own: WeftHost, peer: WeftHost): Promise<Names> {
  const [ownLease, peerLease] = [await leaseOf(cluster, own), await leaseOf(cluster, peer)];
  const [ownBase, peerBase] = [ownLease, peerLease].map(({ subnet }) => subnet.replace('/24', ''));
  const names = [
    [(ownBase ?? '').replace(/0$/, '1/'), '<own-gateway>/'],
    [ownBase ?? '', '<own-base>'],
    [peerBase ?? '', '<peer-base>'],
    [ownLease.mac, '<own-mac>'],
    [peerLease.mac, '<peer-mac>'],
    [own.address, '<own-ip>'],
    [peer.address, '<peer-ip>'],
    ['192.0.2.0', '<underlay>'],
  ] as const;
  return [...names].sort(([one], [other]) => other.length - one.length);
}

/** Not every iproute2 and kernel print these, and no VXLAN backend sets them. */
const limits =
  / (?:promiscuity|allmulti|minmtu|maxmtu|(?:gso|tso|gro)_max_(?:size|segs)|(?:gso|gro)_ipv4_max_size) \d+| localbypass/g;

function normalise(text: string, names: Names): string {
  const tidy = text
    .replace(/^\d+: /gm, '')
    .replace(/fe80::[0-9a-f:]+/g, '<link-local>')
    .replace(/ {2,}/g, ' ')
    .replace(limits, '')
    .replace(/^ | $/gm, '');
  return names.reduce((now, [value, name]) => now.replaceAll(value, name), tidy).trimEnd();
}

function readGolden(file: string): string {
  return readFileSync(path.join(golden, file), 'utf8').trimEnd();
}

/** An IPv6 address, for one, is tentative for a second. */
async function eventuallyEqual(wanted: string, read: () => Promise<string>): Promise<void> {
  await eventually('the golden text', async () => (await read()) === wanted, { timeoutMs: 10_000 }).catch(
    () => {},
  );
  assert.equal(await read(), wanted);
}

function modeOf(file: string): string {
  return (statSync(file).mode & 0o777).toString(8);
}
