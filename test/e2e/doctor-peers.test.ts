/** What `weft doctor` says of peers that are well, however little they say themselves. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, joinAll, leaseOf } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { type DoctorJson, doctorOn, type FindingJson } from './gallery/doctor-on.ts';

const underlay = await createUnderlay(testScope({ after }));

const ofPeers = ['peer-reach', 'peer-daemon', 'path-mtu'];

function findingsOf({ networks }: DoctorJson, name: string): readonly FindingJson[] {
  return networks.flatMap(({ checks }) => checks).find(check => check.name === name)?.findings ?? [];
}

function textsOf(told: DoctorJson, name: string): string[] {
  return findingsOf(told, name).map(({ verdict, text }) => `${verdict}: ${text}`);
}

/** Peer doors are opened a moment after the daemons are ready. */
async function eventuallyListening(hosts: readonly WeftHost[]): Promise<void> {
  for (const host of hosts)
    await eventually(`the peer door of ${host.name}`, async () =>
      (await host.run('ss -Hltn sport = :8473')).includes(':8473'),
    );
}

const networks = [
  ['vxlan', '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}', 1450],
  [
    'vxlan with direct routing',
    '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan","DirectRouting":true}}',
    1450,
  ],
  ['host-gw', '{"Network":"10.2.0.0/16","Backend":{"Type":"host-gw"}}', 1500],
  ['udp', '{"Network":"10.2.0.0/16","Backend":{"Type":"udp"}}', 1472],
] as const;

for (const [name, config, bytes] of networks) {
  test(`a peer by ${name} answers, its daemon does, and packets of ${bytes} bytes pass`, async t => {
    const cluster = await createCluster(testScope(t), underlay, { config });
    const hosts = await cluster.addHosts('a', 'b');
    await Promise.all(hosts.map(host => host.join()));
    await eventuallyListening(hosts);
    const { subnet } = await hosts[1].subnetEnv();
    await eventually('packets to pass', async () => {
      const told = await doctorOn(hosts[0]);
      assert.match(
        textsOf(told, 'peer-reach').join('\n'),
        /^ok: 10\.2\.\d+\.0\/24 \(192\.0\.2\.\d+\) answers over the overlay within \d+\.\d ms$/,
      );
      assert.match(textsOf(told, 'peer-daemon').join('\n'), /^ok: 1 daemon is ready: Weft \d+\.\d+\.\d+$/);
      assert.deepEqual(textsOf(told, 'path-mtu'), [
        `ok: packets of ${bytes} bytes, as large as containers send, pass to ${subnet} and back`,
      ]);
      return true;
    });
  });
}

test('peers of both families are asked by both', async t => {
  const config =
    '{"EnableIPv6":true,"Network":"10.2.0.0/16","IPv6Network":"fd00:2::/48","Backend":{"Type":"vxlan"}}';
  const cluster = await createCluster(testScope(t), underlay, { config });
  const hosts = await cluster.addHosts('a', 'b');
  for (const [index, host] of hosts.entries())
    await host.netns.run(`ip address add fd00:1::${index + 1}/64 dev eth0 nodad`);
  await Promise.all(hosts.map(host => host.join()));
  await eventually('both families to answer', async () => {
    const told = await doctorOn(hosts[0]);
    assert.match(textsOf(told, 'peer-reach').join('\n'), /^ok: 2 peers answer over the overlay within /);
    assert.match(textsOf(told, 'path-mtu').join('\n'), /^ok: packets of 1430 bytes, .* pass to 2 peers/);
    return true;
  });
});

test('a peer that ignores echo requests is well: its daemon says that packets arrive', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const hosts = await cluster.addHosts('a', 'b');
  await joinAll(cluster, hosts);
  await eventuallyListening(hosts);
  await hosts[1].netns.run('sysctl -qw net.ipv4.icmp_echo_ignore_all=1');
  const told = await doctorOn(hosts[0]);
  assert.match(
    textsOf(told, 'peer-reach').join('\n'),
    /^ok: 10\.2\.\d+\.0\/24 \(192\.0\.2\.\d+\) takes packets, and does not answer echo requests$/,
  );
});

test('a peer without a daemon, as one of flanneld looks, is well', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const hosts = await cluster.addHosts('a', 'b');
  const [, weft] = await joinAll(cluster, hosts);
  await weft?.kill();
  const told = await doctorOn(hosts[0]);
  assert.deepEqual(textsOf(told, 'peer-daemon'), ['ok: no daemon of Weft answers at the peers']);
  assert.match(textsOf(told, 'peer-reach').join('\n'), /^ok: /);
});

test('what this host itself lacks is left to the check of its entries', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const hosts = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, hosts);
  const { subnet } = await leaseOf(cluster, hosts[1]);
  await weft?.kill();
  await hosts[0].netns.run(`ip route del ${subnet}`);
  const told = await doctorOn(hosts[0]);
  assert.deepEqual(textsOf(told, 'peer-reach'), [
    `skip: what leads to ${subnet} is not as it shall be here: route`,
  ]);
});

test('of many peers a sample is asked, and with -peer the one that is meant', async t => {
  // Whose hosts lease from 10.2.1.0 to 10.2.20.0, and none of the subnets below.
  const cluster = await createCluster(testScope(t), underlay);
  const hosts = await cluster.addHosts('a', 'b');
  await joinAll(cluster, hosts);
  const { subnet } = await leaseOf(cluster, hosts[1]);
  const absent = Array.from({ length: 20 }, (_, index) => ({
    subnet: `10.2.${200 + index}.0/24`,
    publicIp: `192.0.2.${200 + index}`,
    mac: `0a:00:00:00:01:${(16 + index).toString(16)}`,
  }));
  for (const facts of absent) await cluster.putLease(facts);
  await eventually('all to be asked of', async () => {
    const asked = findingsOf(await doctorOn(hosts[0]), 'peer-reach');
    const down = asked.filter(({ text }) => text.includes('does not answer on the underlay'));
    assert.ok(down.length === 15 || down.length === 16, `${down.length} of 16`);
    return true;
  });
  const told = await doctorOn(hosts[0], ['-peer', subnet]);
  for (const check of ofPeers) {
    const findings = findingsOf(told, check);
    assert.ok(
      findings.every(({ verdict }) => verdict === 'ok'),
      JSON.stringify(findings),
    );
  }
});
