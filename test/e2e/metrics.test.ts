/** /metrics of two hosts: what it says before, during and after a peer joins, a repair and an outage. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { catalogue } from '../../src/daemon/metrics/catalogue.ts';
import type { MetricSpec } from '../../src/metrics/metric.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { parsePrometheusText, type Scrape } from '../support/prometheus-text.ts';
import { createCluster, eventuallyMeshed, leaseKey, usualConfig } from '../support/weft-cluster.ts';
import { healthFlags, type PeerFacts, type WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const metricsFlags = [...healthFlags, '-metrics-addr', '127.0.0.1:9469'];
const underlay = await createUnderlay(testScope({ after }));

const ask = `
fetch('http://127.0.0.1:9469' + process.argv[1], { method: process.argv[2], headers: { accept: process.argv[3] } }).then(
  async answer => process.stdout.write(JSON.stringify({ status: answer.status, type: answer.headers.get('content-type'), text: await answer.text() })),
  error => process.stdout.write(JSON.stringify({ status: 0, type: '', text: String(error.cause?.code) })));
`;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

async function request(host: WeftHost, path: string, method = 'GET', accept = '*/*'): Promise<Answer> {
  return JSON.parse(await host.netns.run([process.execPath, '-e', ask, path, method, accept])) as Answer;
}

async function scrape(host: WeftHost): Promise<Scrape> {
  const { status, type, text } = await request(host, '/metrics');
  assert.equal(status, 200, text);
  assert.equal(type, 'text/plain; version=0.0.4; charset=utf-8');
  return parsePrometheusText(text);
}

/** Scrapes until all of it is so. */
async function eventuallyMeasures(
  host: WeftHost,
  what: string,
  check: (scrape: Scrape) => void,
): Promise<Scrape> {
  let last: unknown;
  try {
    return await eventually(what, async () => {
      const found = await scrape(host);
      try {
        check(found);
        return found;
      } catch (error) {
        last = error;
        return undefined;
      }
    });
  } catch (cause) {
    throw last ?? cause;
  }
}

test('a peer joins, a route is deleted, the registry goes away and comes back: each is to be seen, and nothing else', async t => {
  const scope = testScope(t);
  const own = await createUnderlay(scope);
  const cluster = await createCluster(scope, own);
  const [a, b] = await cluster.addHosts('a', 'b');
  await a.join(metricsFlags);

  const alone = await scrape(a);
  assert.equal(alone.value('weft_ready'), 1);
  assert.equal(alone.value('weft_leases'), 1);
  assert.equal(alone.value('weft_peers', { state: 'used' }), 0);
  assert.equal(alone.value('weft_registry_connected'), 1);
  assert.equal(alone.all('weft_registry_stale_since_timestamp_seconds').length, 0);
  assert.equal(alone.value('weft_lease_held'), 1);
  assert.equal(alone.value('weft_lease_permanent'), 0);
  const remaining = alone.value('weft_lease_remaining_seconds');
  assert.ok(remaining > 86_000 && remaining <= 86_400, `${remaining} s`);
  assert.equal(alone.value('weft_lease_renew_margin_seconds'), 3600);
  const { subnet } = await a.subnetEnv();
  assert.equal(
    alone.value('weft_network_info', { backend: 'vxlan', interface: 'eth0', subnet, public_ip: a.address }),
    1,
  );
  assert.equal(alone.value('weft_device_up', { device: 'flannel.1' }), 1);
  assert.equal(alone.value('weft_firewall_in_place'), 1);
  assert.equal(alone.value('weft_build_info', { node: process.versions.node, arch: process.arch }), 1);
  assert.ok(alone.value('process_resident_memory_bytes') > 30_000_000);

  await b.join(metricsFlags);
  await eventuallyMeshed(cluster, [a, b]);
  const joined = await eventuallyMeasures(a, 'a peer', found => {
    assert.equal(found.value('weft_peers', { state: 'used' }), 1);
    assert.equal(found.value('weft_leases'), 2);
    assert.equal(
      found.value('weft_registry_event_delay_seconds_count'),
      alone.value('weft_registry_event_delay_seconds_count') + 1,
    );
  });
  assert.equal(joined.value('weft_plan_objects'), alone.value('weft_plan_objects') + 3);
  for (const object of ['route', 'neighbour', 'fdb']) {
    assert.equal(joined.value('weft_kernel_changes_total', { verb: 'add', object }), 1, object);
  }
  for (const state of ['pending', 'failing', 'waiting']) {
    assert.equal(joined.value('weft_plan_differences', { state }), 0, state);
  }

  const peer = await b.subnetEnv();
  await a.netns.run(`ip route delete ${peer.subnet} dev flannel.1`);
  await eventuallyMeshed(cluster, [a, b]);
  const repaired = await eventuallyMeasures(a, 'a repair', found =>
    assert.equal(found.value('weft_repairs_total', { object: 'route' }), 1),
  );
  assert.equal(repaired.value('weft_repairs_total', { object: 'fdb' }), 0);
  assert.equal(repaired.value('weft_kernel_changes_total', { verb: 'add', object: 'route' }), 2);
  assert.equal(
    repaired.value('weft_registry_event_delay_seconds_count'),
    joined.value('weft_registry_event_delay_seconds_count'),
    'a repair is no event of the registry',
  );

  const [one, other] = [await a.addContainer(), await b.addContainer()];
  await one.netns.run(`ping -n -c 5 -i 0.1 -W 5 ${other.address}`);
  const pinged = await scrape(a);
  const sent = (found: Scrape, what: string) =>
    found.value(`weft_device_transmit_${what}_total`, { device: 'flannel.1' });
  assert.ok(sent(pinged, 'packets') - sent(repaired, 'packets') >= 5);
  assert.ok(sent(pinged, 'bytes') - sent(repaired, 'bytes') >= 5 * 84);
  assert.ok(pinged.value('weft_device_receive_packets_total', { device: 'flannel.1' }) >= 5);

  await own.etcd.stop();
  const away = await eventuallyMeasures(a, 'an outage', found => {
    assert.equal(found.value('weft_registry_connected'), 0);
    const since = found.value('weft_registry_stale_since_timestamp_seconds');
    assert.ok(Math.abs(Date.now() / 1000 - since) < 60, `${since}`);
  });
  assert.equal(away.value('weft_ready'), 1, 'the lease lives');
  assert.equal(await a.health('/readyz'), '200 flanneld is ready');
  assert.equal(away.value('weft_peers', { state: 'used' }), 1);
  await own.etcd.start();
  await eventuallyMeasures(a, 'the registry', found => {
    assert.equal(found.value('weft_registry_connected'), 1);
    assert.equal(found.value('weft_registry_reconnects_total'), 1);
    assert.equal(found.all('weft_registry_stale_since_timestamp_seconds').length, 0);
  });
});

test('a peer that claims what another has is refused, until the other is gone', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await a.join(metricsFlags);
  const first: PeerFacts = { subnet: '10.2.30.0/24', publicIp: '192.0.2.230', mac: '0a:00:00:00:00:30' };
  const second: PeerFacts = { subnet: '10.2.31.0/24', publicIp: '192.0.2.231', mac: '0a:00:00:00:00:30' };
  const peersOf = (found: Scrape) =>
    found.all('weft_peers').map(({ labels, value }) => [labels['state'], value]);
  await cluster.putLease(first);
  await cluster.putLease(second);
  await eventuallyMeasures(a, 'a refusal', found =>
    assert.deepEqual(peersOf(found), [
      ['used', 1],
      ['partly', 0],
      ['refused', 1],
    ]),
  );
  await cluster.delete(leaseKey(first));
  await eventuallyMeasures(a, 'the second', found =>
    assert.deepEqual(peersOf(found), [
      ['used', 1],
      ['partly', 0],
      ['refused', 0],
    ]),
  );
});

test('a lease that lies outside the network is counted as refused as long as it is there', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await a.join(metricsFlags);
  const astray: PeerFacts = { subnet: '10.9.1.0/24', publicIp: '192.0.2.232', mac: '0a:00:00:00:00:32' };
  await cluster.putLease(astray);
  await eventuallyMeasures(a, 'a refusal', found => {
    assert.equal(found.value('weft_peers', { state: 'refused' }), 1);
    assert.equal(found.value('weft_leases'), 2);
  });
  await cluster.delete(leaseKey(astray));
  await eventuallyMeasures(a, 'nobody', found => {
    assert.equal(found.value('weft_peers', { state: 'refused' }), 0);
    assert.equal(found.value('weft_leases'), 1);
  });
});

test('what the kernel refuses is counted by errno, a missing device by its name', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  // Another program's VXLAN with the same VNI and port.
  await a.netns.run('ip link add other type vxlan id 1 dev eth0 dstport 8472');
  const weft = await a.startWeft(metricsFlags);
  await weft.waitForOutput(/not ready: trying again/);
  const failing = await scrape(a);
  assert.ok(failing.value('weft_kernel_errors_total', { task: 'change', error: 'EEXIST' }) >= 1);
  assert.ok(failing.value('weft_plan_differences', { state: 'failing' }) >= 1);
  assert.equal(failing.value('weft_device_up', { device: 'flannel.1' }), 0);
  assert.equal(failing.value('weft_ready'), 0);
  await a.netns.run('ip link delete other');
  await eventuallyMeasures(a, 'the device', found => {
    assert.equal(found.value('weft_device_up', { device: 'flannel.1' }), 1);
    assert.equal(found.value('weft_plan_differences', { state: 'failing' }), 0);
    assert.equal(found.value('weft_ready'), 1);
  });
});

test('/readyz turns not ready again while our own device cannot be made, and says why', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await a.join(metricsFlags);
  assert.equal(await a.health('/readyz'), '200 flanneld is ready');
  const steal = ['link delete flannel.1', 'link add other type vxlan id 1 dev eth0 dstport 8472'];
  // Until the thief has been quicker.
  await eventually('a device of another in the way', async () => {
    await a.netns.ipBatch(steal).catch(() => {});
    return /\bother\b/.test(await a.netns.run('ip link'));
  });
  await eventually('not ready', async () => /^503 .*EEXIST/.test(await a.health('/readyz')));
  assert.equal((await scrape(a)).value('weft_ready'), 0);
  await a.netns.run('ip link delete other');
  await eventually('ready', async () => (await a.health('/readyz')) === '200 flanneld is ready');
});

test('a device that something keeps taking away is a difference that waits, and the host is not ready', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await a.join(metricsFlags);
  const thief = await a.start([
    'sh',
    '-c',
    'while :; do ip link delete flannel.1 2>/dev/null; sleep 0.02; done',
  ]);
  const fought = await eventuallyMeasures(a, 'a difference that waits', found => {
    assert.ok(found.value('weft_plan_differences', { state: 'waiting' }) >= 1);
    assert.equal(found.value('weft_ready'), 0);
  });
  assert.ok(fought.value('weft_repairs_total', { object: 'link' }) >= 2);
  const undone = /^503 flanneld is not ready yet: something keeps undoing: ip link add flannel\.1 /;
  await eventually('the reason', async () => undone.test(await a.health('/readyz')));
  await thief.kill();
  await eventuallyMeasures(a, 'the device', found => {
    assert.equal(found.value('weft_device_up', { device: 'flannel.1' }), 1);
    assert.equal(found.value('weft_plan_differences', { state: 'waiting' }), 0);
    assert.equal(found.value('weft_ready'), 1);
  });
});

test('/metrics is there before the lease; nothing else is, and nothing at all without the flag', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a, b] = await cluster.addHosts('a', 'b');
  const weft = await a.startWeft(metricsFlags);
  await weft.waitForOutput(/waiting for the network config/);
  const early = await scrape(a);
  assert.equal(early.value('weft_ready'), 0);
  assert.deepEqual(early.all('weft_leases'), []);
  assert.equal((await request(a, '/')).status, 404);
  assert.equal((await request(a, '/metrics', 'POST')).status, 405);
  assert.deepEqual(await request(a, '/metrics', 'HEAD'), {
    status: 200,
    type: 'text/plain; version=0.0.4; charset=utf-8',
    text: '',
  });
  const open = await request(
    a,
    '/metrics',
    'GET',
    'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.3',
  );
  assert.equal(open.type, 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  assert.match(
    open.text,
    /# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total [\d.]+\n(.*\n)+# EOF\n$/,
  );
  await cluster.put('config', usualConfig);
  await b.join();
  assert.equal((await request(b, '/metrics')).text, 'ECONNREFUSED');
  await weft.stop();
  assert.equal((await request(a, '/metrics')).text, 'ECONNREFUSED');
});

test('an address that cannot be listened on ends the daemon at once, and says what to do', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const weft = await a.startWeft(['-metrics-addr', '192.0.2.250:9469']);
  assert.equal((await weft.exited).code, 1);
  assert.match(weft.output, /listening on 192\.0\.2\.250:9469 for metrics failed.*EADDRNOTAVAIL/s);
  assert.match(weft.output, /choose another -metrics-addr/);
});

test('of several networks each has its own label', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a] = await cluster.addHosts('a');
  const config = (network: string, vni: number) =>
    JSON.stringify({ Network: network, Backend: { Type: 'vxlan', VNI: vni } });
  await cluster.put('red/config', config('10.3.0.0/16', 3));
  const weft = await a.startWeft(['-networks', 'red,blue', ...metricsFlags]);
  await weft.waitForOutput(/ ready network=red subnetFile=/);
  const found = await scrape(a);
  assert.equal(found.value('weft_ready', { network: 'red' }), 1);
  assert.equal(found.value('weft_ready', { network: 'blue' }), 0);
  assert.equal(found.value('weft_device_up', { network: 'red', device: 'flannel.3' }), 1);
  assert.equal(found.value('weft_leases'), 1, 'blue has none yet');
  assert.ok(found.value('process_open_fds') > 5);
});

/** Told only when there is a reason: other tests have one. */
const notAlways = ['weft_kernel_errors_total', 'weft_registry_stale_since_timestamp_seconds'];

test('the tunnel counts what passes, the guard what does not, and all metrics that the table has are told', async t => {
  const scope = testScope(t);
  const withTunnel = await createCluster(scope, underlay, {
    config: '{"Network":"10.4.0.0/16","Backend":{"Type":"udp"}}',
  });
  const withGuard = await createCluster(scope, underlay, {
    config: '{"Network":"10.5.0.0/16","EnableNFTables":true,"Backend":{"Type":"vxlan"}}',
  });
  const [a, b] = await withTunnel.addHosts('a', 'b');
  const [c] = await withGuard.addHosts('c');
  await Promise.all([a, b, c].map(host => host.join(metricsFlags)));
  await eventuallyMeasures(a, 'the peer, and its answers', found => {
    assert.equal(found.value('weft_peers', { state: 'used' }), 1);
    assert.equal(found.value('weft_peer_largest_packet_bytes', { family: '4' }), 1472);
  });

  const [one, other] = [await a.addContainer(), await b.addContainer()];
  await one.netns.run(`ping -n -c 5 -i 0.1 -W 5 ${other.address}`);
  const tunnel = await scrape(a);
  assert.equal(tunnel.value('weft_tunnel_up', { device: 'flannel0' }), 1);
  for (const direction of ['sent', 'received']) {
    assert.ok(tunnel.value('weft_tunnel_packets_total', { direction }) >= 5, direction);
    assert.ok(tunnel.value('weft_tunnel_bytes_total', { direction }) >= 5 * 84, direction);
  }
  assert.equal(tunnel.value('weft_tunnel_dropped_total', { reason: 'unknown-sender' }), 0);
  await sendFrom(c, a.address, 8285);
  await eventuallyMeasures(a, 'a drop', found =>
    assert.equal(found.value('weft_tunnel_dropped_total', { reason: 'unknown-sender' }), 1),
  );

  const dropped = (found: Scrape) =>
    found.value('weft_firewall_dropped_packets_total', { origin: 'stranger', engine: 'nftables' });
  assert.equal(dropped(await scrape(c)), 0);
  await sendFrom(a, c.address, 8472);
  const guard = await eventuallyMeasures(c, 'a drop', found => assert.equal(dropped(found), 1));

  const told = new Set([...tunnel.families.keys(), ...guard.families.keys(), ...notAlways]);
  assert.deepEqual([...told].sort(), Object.keys(catalogue).sort());
  for (const { families } of [tunnel, guard]) {
    for (const [name, { type, help, samples }] of families) {
      const spec: MetricSpec = catalogue[name as keyof typeof catalogue];
      assert.deepEqual([type, help], [spec.type, spec.help], name);
      const labels = new Set(samples.flatMap(sample => Object.keys(sample.labels)));
      const known = [...(spec.labels ?? []), 'le'];
      assert.deepEqual(
        [...labels].filter(label => !known.includes(label)),
        [],
        name,
      );
    }
  }
});

/** One datagram of 20 bytes, which is no packet of anybody's. */
async function sendFrom(host: WeftHost, address: string, port: number): Promise<void> {
  const send = `require('node:dgram').createSocket('udp4').send(Buffer.alloc(20), ${port}, '${address}', () => process.exit())`;
  await host.netns.run([process.execPath, '-e', send]);
}
