/** Networks of both families whose hosts have not, or not yet, both: how one comes and goes while the other works. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type KernelEvent, type MonitoredObject, monitor } from '../../src/kernel/monitor.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster } from '../support/weft-cluster.ts';
import { type WeftHost, waitUntilReady } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import {
  addContainers,
  type Container,
  configOf,
  createNetwork,
  envOf,
  eventuallyMeshed,
  makeRouter,
  pingFullSize,
  subnetsOf,
} from './backends-house.ts';

const backend = { Type: 'vxlan' };
const underlay = await createUnderlay(testScope({ after }));
before(() => makeRouter(underlay));

/** All lease keys, below the network's prefix. */
async function keysOf(prefix: string): Promise<string[]> {
  const text = await underlay.etcd.ctl('get', '--prefix', '--keys-only', `${prefix}/subnet`);
  return text
    .split('\n')
    .filter(Boolean)
    .map(key => key.slice(prefix.length + 1));
}

/** As a container runtime would, once subnet.env names a subnet of it. */
async function addIpv6(container: Container): Promise<Container> {
  const { IPV6_SUBNET: gateway = '' } = await envOf(container.host);
  const address = gateway.replace(/::1\//, '::2/');
  await container.host.netns.ipBatch([`address add ${gateway} dev cni0 nodad`]);
  await container.netns.ipBatch([
    `address add ${address} dev eth0 nodad`,
    `route add default via ${gateway.replace(/\/.*/, '')}`,
  ]);
  return { ...container, addresses: { ...container.addresses, 6: address.replace(/\/.*/, '') } };
}

/** To a peer's containers, or to the peer itself. */
function leadsByIpv4({ type, value }: MonitoredObject): boolean {
  switch (type) {
    case 'route':
      return value.dst.startsWith('10.2.') && value.gateway !== undefined;
    case 'neighbour':
      return value.dst.startsWith('10.2.') && value.state === 'permanent';
    case 'fdb':
      return value.dst?.startsWith('192.0.2.') === true;
    default:
      return false;
  }
}

test('IPv6 comes to a running IPv4 network host by host and goes again: every IPv4 subnet stays, no packet is lost', async t => {
  const scope = testScope(t);
  const network = await createNetwork(scope, underlay, { backend, families: [4] });
  const { cluster, hosts } = network;
  const daemons = new Map<WeftHost, Daemon>();
  for (const host of hosts) daemons.set(host, await host.join());
  const containers = await addContainers(scope, network);
  await eventuallyMeshed(containers, [4]);
  const before = await keysOf(cluster.prefix);
  assert.equal(before.length, 3);
  const pings = await Promise.all(
    containers.map((from, index) => startPing(from.netns, containers[(index + 1) % 3]?.addresses[4] ?? '')),
  );

  // What leads to a and b must not go for an instant on c, which is restarted last.
  const dropped: KernelEvent[] = [];
  const watch = monitor({
    netns: hosts[2].netns.path,
    objects: ['route', 'neighbour', 'fdb'],
    onEvent: event => event.type === 'gone' && leadsByIpv4(event.object) && dropped.push(event),
  });
  scope.defer('kernel monitor', () => watch.close());
  const restartAll = async (config: string, pattern: (key: string) => RegExp): Promise<void> => {
    await cluster.put('config', config);
    for (const host of hosts) {
      if (host === hosts[2]) assert.deepEqual(dropped.splice(0), []);
      await daemons.get(host)?.waitForOutput(/cannot be taken over live: EnableIPv6 changed/);
      await daemons.get(host)?.stop();
      daemons.set(host, await host.join());
      for (const ping of pings) await ping.more(20);
    }
    const keys = await keysOf(cluster.prefix);
    assert.equal(keys.length, before.length, `${keys}`);
    for (const [index, key] of before.entries()) assert.match(keys[index] ?? '', pattern(key));
  };

  await restartAll(
    configOf({ backend, families: [4, 6] }),
    key => new RegExp(`^${key}&fd02:0:0:[0-9a-f]+::-64$`),
  );
  const env = await envOf(hosts[0]);
  assert.deepEqual(Object.keys(env), ['NETWORK', 'SUBNET', 'IPV6_NETWORK', 'IPV6_SUBNET', 'MTU', 'IPMASQ']);
  assert.equal(env['MTU'], '1430');
  const both = await Promise.all(containers.map(addIpv6));
  await eventuallyMeshed(both, [4, 6]);
  const [one, , last] = both;
  if (one !== undefined && last !== undefined) await pingFullSize(one, last, 6);

  await restartAll(configOf({ backend, families: [4] }), key => new RegExp(`^${key}$`));
  assert.equal((await envOf(hosts[0]))['MTU'], '1450');
  for (const ping of pings) t.diagnostic(await assertNothingLost(ping));
  for (const host of hosts) {
    await eventually(`${host.name} to be without a device for IPv6`, async () => {
      return !(await host.netns.run('ip link')).includes('flannel-v6.1');
    });
  }
});

test('a network of IPv6 alone keeps its leases where no flanneld looks, and a restart keeps the subnet', async t => {
  const scope = testScope(t);
  const network = await createNetwork(scope, underlay, { backend, families: [6] });
  const { cluster, hosts } = network;
  const daemons = [];
  for (const host of hosts) daemons.push(await host.join());
  const keys = await keysOf(cluster.prefix);
  assert.deepEqual(
    new Set(keys),
    new Set(
      await Promise.all(hosts.map(async host => `subnet6/${(await subnetsOf(host))[6].replace('/', '-')}`)),
    ),
  );
  const { MTU, ...env } = await envOf(hosts[0]);
  assert.deepEqual([Object.keys(env), MTU], [['IPV6_NETWORK', 'IPV6_SUBNET', 'IPMASQ'], '1430']);
  const containers = await addContainers(scope, network);
  await eventuallyMeshed(containers, [6]);
  const [one, two] = containers;
  await pingFullSize(one, two, 6);
  const ping = await startPing(one.netns, two.addresses[6]);
  await daemons[1]?.kill();
  const again = await hosts[1].join();
  assert.match(again.output, /leased fd02:\S+ how=kept/);
  t.diagnostic(await assertNothingLost(ping));
  assert.deepEqual(await keysOf(cluster.prefix), keys);

  await cluster.delete(keys[2] ?? '');
  await eventually('the lease written again', async () => (await keysOf(cluster.prefix)).length === 3);
  await eventuallyMeshed(containers, [6]);
});

const [ghost4, ghost6] = ['0a:00:00:00:00:99', '0a:00:00:00:06:99'];

/** A lease as a flanneld of both families writes it. */
function dualLease(): string {
  return JSON.stringify({
    ...{ PublicIP: '192.0.2.99', PublicIPv6: '2001:db8::99', BackendType: 'vxlan' },
    BackendData: { VNI: 1, VtepMAC: ghost4 },
    BackendV6Data: { VNI: 1, VtepMAC: ghost6 },
  });
}

const ghostV4 = JSON.stringify({
  ...{ PublicIP: '192.0.2.98', PublicIPv6: null, BackendType: 'vxlan' },
  BackendData: { VNI: 1, VtepMAC: '0a:00:00:00:00:98' },
});

test('leases of both families and of IPv4 alone, as flanneld writes them, are each used for what they have', async t => {
  const scope = testScope(t);
  for (const families of [[4], [4, 6], [6]] as const) {
    const { cluster, hosts } = await createNetwork(scope, underlay, { backend, families });
    const [host] = hosts;
    await cluster.put('subnets/10.2.7.0-24&fd02:0:0:7::-64', dualLease());
    await cluster.put('subnets/10.2.8.0-24', ghostV4);
    const weft = await host.join();
    const show = async (command: string): Promise<string> => await host.netns.run(command).catch(() => '');
    const uses = async (): Promise<unknown> => ({
      4: (await show('ip -4 route show dev flannel.1')).match(/^\S+ via \S+/gm) ?? [],
      6: (await show('ip -6 route show dev flannel-v6.1')).match(/^\S+ via \S+/gm) ?? [],
      fdb: ((await show('bridge fdb show')).match(/^0a:00:00:00:\S+ dev flannel\S+ dst \S+/gm) ?? []).sort(),
    });
    const has = (family: 4 | 6): boolean => (families as readonly number[]).includes(family);
    const wanted = {
      4: has(4) ? ['10.2.7.0/24 via 10.2.7.0', '10.2.8.0/24 via 10.2.8.0'] : [],
      6: has(6) ? ['fd02:0:0:7::/64 via fd02:0:0:7::'] : [],
      fdb: [
        ...(has(4)
          ? ['0a:00:00:00:00:98 dev flannel.1 dst 192.0.2.98', `${ghost4} dev flannel.1 dst 192.0.2.99`]
          : []),
        ...(has(6) ? [`${ghost6} dev flannel-v6.1 dst 2001:db8::99`] : []),
      ].sort(),
    };
    assert.deepEqual(await uses(), wanted, `${families}`);
    await cluster.delete('subnets/10.2.8.0-24');
    await cluster.put('subnets/10.2.8.0-24', ghostV4.replace('98"}', '97"}'));
    await cluster.delete('subnets/10.2.7.0-24&fd02:0:0:7::-64');
    const rest = {
      4: has(4) ? ['10.2.8.0/24 via 10.2.8.0'] : [],
      6: [],
      fdb: has(4) ? ['0a:00:00:00:00:97 dev flannel.1 dst 192.0.2.98'] : [],
    };
    await eventually('what is left', async () => {
      assert.deepEqual(await uses(), rest);
      return true;
    }).catch(async () => assert.deepEqual(await uses(), rest));
    assert.equal(weft.exit, undefined);
  }
});

test('a host without IPv6 in a network of both joins by IPv4, says so, and takes part in both when it has an address', async t => {
  const scope = testScope(t);
  const config = configOf({ backend, families: [4, 6] });
  const cluster = await createCluster(scope, underlay, { config });
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const [a, b, c] = hosts;
  const ipv6 = ({ address }: WeftHost): string => `2001:db8::${address.split('.').at(-1)}/64`;
  for (const host of [b, c]) await host.netns.ipBatch([`address add ${ipv6(host)} dev eth0 nodad`]);
  const weft = await a.join();
  for (const host of [b, c]) await host.join();
  assert.match(
    weft.output,
    /going without IPv6 until that changes: interface eth0 has no usable IPv6 address/,
  );
  const own = (await keysOf(cluster.prefix)).filter(key => !key.includes('&'));
  assert.equal(own.length, 1);
  assert.deepEqual(Object.keys(await envOf(a)), ['NETWORK', 'SUBNET', 'MTU', 'IPMASQ']);
  assert.equal((await envOf(a))['MTU'], '1430', 'for the day on which IPv6 comes');
  const containers = await addContainers(scope, { cluster, hosts: [a, b, c] });
  await eventuallyMeshed(containers, [4]);
  await eventuallyMeshed(containers.slice(1), [6]);

  const [one, other] = containers;
  const pings = [
    await startPing(one.netns, other.addresses[4]),
    await startPing(other.netns, one.addresses[4]),
  ];
  await a.netns.ipBatch([`address add ${ipv6(a)} dev eth0`]);
  await eventually('a lease of both', async () =>
    (await keysOf(cluster.prefix)).every(key => key.includes('&')),
  );
  await eventually('subnet.env', async () => (await envOf(a))['IPV6_SUBNET'] !== undefined);
  assert.ok(
    (await keysOf(cluster.prefix)).some(key => key.startsWith(`${own[0]}&`)),
    'the IPv4 subnet stays',
  );
  const both = [await addIpv6(one), ...containers.slice(1)];
  await eventuallyMeshed(both, [4, 6]);
  for (const ping of pings) t.diagnostic(await assertNothingLost(ping));
  assert.equal(weft.exit, undefined);

  const keys = await keysOf(cluster.prefix);
  await a.netns.ipBatch([`address delete ${ipv6(a)} dev eth0`]);
  await weft.waitForOutput(/IPv6 stays as it is, the other family goes on/);
  await weft.kill();
  const again = await a.startWeft();
  await waitUntilReady(again);
  assert.deepEqual(await keysOf(cluster.prefix), keys, 'a subnet whose addresses containers hold is kept');
  await eventuallyMeshed(both, [4]);
  await a.netns.ipBatch([`address add ${ipv6(a)} dev eth0`]);
  await eventuallyMeshed(both, [4, 6]);
  assert.deepEqual(await keysOf(cluster.prefix), keys);
});
