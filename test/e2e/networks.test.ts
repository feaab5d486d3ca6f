/** Tenants: networks red and blue with the very same addresses on three hosts, each in namespaces of its own. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import {
  addNamespaces,
  addTenant,
  type Color,
  captureVnis,
  colors,
  configOf,
  joinNetworks,
  startNetworks,
  type TenantContainer,
} from './networks-house.ts';

const underlay = await createUnderlay(testScope({ after }));

const vnis = { red: 7, blue: 8 } as const;
/** Three subnets for three hosts: both networks lease the same ones. */
const same = { SubnetLen: 24, SubnetMin: '10.2.1.0', SubnetMax: '10.2.3.0' };
const places = 'red@red,blue@blue';

async function threeHosts(t: Parameters<typeof testScope>[0], more: object = {}) {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config: undefined });
  for (const color of colors) {
    await cluster.put(`${color}/config`, configOf(vnis[color], '10.2.0.0/16', { ...same, ...more }));
  }
  const hosts = await cluster.addHosts('a', 'b', 'c');
  for (const host of hosts) await addNamespaces(host, 'red', 'blue');
  const watchers = await Promise.all(hosts.map(host => host.netns.start('ip monitor link')));
  const daemons = await Promise.all(hosts.map(host => joinNetworks(host, places)));
  const tenants = { red: await tenantsOf(hosts, 'red'), blue: await tenantsOf(hosts, 'blue') };
  return { scope, cluster, hosts, daemons, tenants, watchers };
}

async function tenantsOf(hosts: readonly WeftHost[], color: Color): Promise<TenantContainer[]> {
  const made = [];
  for (const host of hosts) made.push(await addTenant(host, color, color));
  return made;
}

async function eventuallyMeshed(tenants: readonly TenantContainer[]): Promise<void> {
  for (const one of tenants) {
    for (const other of tenants) {
      await eventually(`${one.address} to reach ${other.address}`, () => one.reaches(other.address));
    }
  }
}

for (const [engine, more] of [
  ['iptables', {}],
  ['nftables', { EnableNFTables: true }],
] as const) {
  test(`red reaches red and blue reaches blue, at the same addresses, and never across (${engine})`, async t => {
    const { scope, hosts, tenants, watchers } = await threeHosts(t, more);
    const addresses = (color: Color) => tenants[color].map(({ address }) => address).sort();
    assert.deepEqual(addresses('red'), ['10.2.1.2', '10.2.2.2', '10.2.3.2']);
    assert.deepEqual(addresses('blue'), addresses('red'), 'the very same addresses');
    const seen = await captureVnis(scope, underlay.bridge, hosts[0].port);
    for (const color of colors) {
      await eventuallyMeshed(tenants[color]);
      const other = tenants[color === 'red' ? 'blue' : 'red'];
      const before = await Promise.all(other.map(one => one.echoes()));
      for (const one of tenants[color]) {
        for (const { address } of tenants[color])
          assert.ok(await one.reaches(address), `${color} ${address}`);
      }
      assert.deepEqual(await Promise.all(other.map(one => one.echoes())), before, 'nothing came across');
    }
    assert.deepEqual([...seen].sort(), [7, 8], 'the capture on the underlay');
    for (const watcher of watchers) {
      assert.doesNotMatch(watcher.output, /flannel/, 'no device was on the underlay at any moment');
    }
  });
}

test('a restart loses no packet of either network, and writes nothing', async t => {
  const { daemons, hosts, tenants } = await threeHosts(t, { EnableNFTables: true });
  for (const color of colors) await eventuallyMeshed(tenants[color]);
  const pings = await Promise.all(
    colors.map(color =>
      startPing(tenants[color][0]?.netns ?? assert.fail(), tenants[color][1]?.address ?? ''),
    ),
  );
  const changes = await Promise.all(
    hosts.slice(0, 2).flatMap(host => colors.map(color => host.start(['ip', '-n', color, 'monitor', 'all']))),
  );
  for (const index of [0, 1]) {
    assert.deepEqual(await daemons[index]?.stop(), { code: 0, signal: null });
    const again = await joinNetworks(hosts[index] ?? assert.fail(), places);
    assert.doesNotMatch(again.output, /repaired|are in place chang/);
    for (const ping of pings) await ping.more(50);
  }
  for (const ping of pings) t.diagnostic(await assertNothingLost(ping));
  for (const change of changes) {
    const lines = change.output
      .split('\n')
      .filter(line => /flannel/.test(line) && !/STALE|REACHABLE|DELAY|PROBE|fe80:/.test(line));
    assert.deepEqual(lines, [], 'nothing was written');
  }
});

test('what is taken away inside a namespace comes back, and a namespace that goes and comes is joined again', async t => {
  const { daemons, hosts, tenants } = await threeHosts(t);
  const [weft] = daemons;
  const [host] = hosts;
  for (const color of colors) await eventuallyMeshed(tenants[color]);
  await host.run('ip -n red link delete flannel.7');
  await eventuallyMeshed(tenants.red);
  await host.run('ip -n red route flush dev flannel.7');
  await eventuallyMeshed(tenants.red);
  // What it is made on has another name for a moment: the device follows, and is not made anew for ever.
  assert.match(
    await host.run('ip -n red -d link show flannel.7'),
    /vxlan id 7 local 192\.0\.2\.\d+ dev if\d+ /,
  );
  const ping = await startPing(tenants.blue[0]?.netns ?? assert.fail(), tenants.blue[1]?.address ?? '');
  await host.run('ip netns delete c-red');
  await host.run('ip netns delete red');
  await weft?.waitForOutput(/ERROR.* network namespace \/run\/netns\/red is gone.* network=red/i);
  await eventually('told by readiness', async () =>
    /^503 .*red: .*network namespace .*red/.test(await host.health('/readyz')),
  );
  await addNamespaces(host, 'red');
  await eventually('ready again', async () => (await host.health('/readyz')).startsWith('200'), {
    timeoutMs: 30_000,
  });
  tenants.red[0] = await addTenant(host, 'red', 'red');
  await eventuallyMeshed(tenants.red);
  t.diagnostic(await assertNothingLost(ping));
});

test('udp too has a device in each namespace, at ports of their own; one port is refused by name', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config: undefined });
  const udp = (Port: number) =>
    configOf(0, '10.2.0.0/16', { Backend: { Type: 'udp', Port, VNI: undefined } });
  await cluster.put('red/config', udp(8285));
  await cluster.put('blue/config', udp(8285));
  const hosts = await cluster.addHosts('a', 'b');
  for (const host of hosts) await addNamespaces(host, 'red', 'blue');
  const daemons = await Promise.all(hosts.map(host => startNetworks(host, places)));
  for (const weft of daemons) {
    await weft.waitForOutput(/blue is refused: its UDP port 8285 is also that of the network red/);
  }
  await cluster.put('blue/config', udp(8286));
  for (const weft of daemons) await weft.waitForOutput(/all networks are ready/);
  const tenants = { red: await tenantsOf(hosts, 'red'), blue: await tenantsOf(hosts, 'blue') };
  for (const color of colors) {
    await eventuallyMeshed(tenants[color]);
    assert.match(await hosts[0].run(`ip -n ${color} -br link show flannel0`), /^flannel0 /);
  }
  assert.equal(await hosts[0].run('ip -br link show type tun'), '', 'none on the underlay');
});
