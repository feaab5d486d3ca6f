/** `weft status`: what it says of this host and each peer, with and without registry and daemon. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, joinAll, leaseOf, usualConfig } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { eventuallyEmpty, type Planned, said } from './plan-house.ts';

const underlay = await createUnderlay(testScope({ after }));

async function statusOn(host: WeftHost, ...flags: readonly string[]): Promise<Planned> {
  const told = await said(host, ['bin/weft', 'status', ...host.flags, ...flags]);
  for (const line of told.text.split('\n')) assert.ok(line.length <= 80 || flags.includes('-json'), line);
  return told;
}

/** Subnet, host and state of each row of the table of peers, without what is below it and what probing adds. */
function rowsOf({ text }: Planned): string[][] {
  const lines = text.split('\n');
  const head = lines.findIndex(line => line.startsWith('SUBNET'));
  const names = lines[head]?.split(/ {2,}/) ?? [];
  return lines
    .slice(head + 1)
    .filter(line => line !== '' && !line.startsWith(' '))
    .map(line => line.split(/ {2,}/))
    .map(cells => ['SUBNET', 'HOST', 'STATE'].map(name => cells[names.indexOf(name)] ?? ''));
}

interface StatusJson {
  readonly version: number;
  readonly healthy: boolean;
  readonly networks: ReadonlyArray<{
    readonly host: { readonly subnet: string | null; readonly publicIp: string | null };
    readonly registry: { readonly reachable: boolean; readonly problem: { readonly code: string } | null };
    readonly daemon: { readonly running: boolean; readonly live: object | null };
    readonly counts: Readonly<Record<string, number>>;
    readonly peers: ReadonlyArray<{
      readonly state: string;
      readonly reason: string | null;
      readonly ipv4: { readonly subnet: string; readonly address: string; readonly vtepMac: string };
      readonly objects: ReadonlyArray<{ readonly state: string; readonly object: { readonly type: string } }>;
    }>;
  }>;
}

async function jsonOn(host: WeftHost, ...flags: readonly string[]): Promise<StatusJson['networks'][number]> {
  const value = JSON.parse((await statusOn(host, '-json', ...flags)).text) as StatusJson;
  assert.equal(value.version, 1);
  const [network] = value.networks;
  assert.ok(network);
  return network;
}

test('a healthy host: itself, its peers, exit code 0', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const [a, b, c] = hosts;
  await joinAll(cluster, hosts);
  await eventuallyEmpty(a);
  const told = await statusOn(a);
  assert.equal(told.code, 0, told.text);
  const own = await leaseOf(cluster, a);
  for (const line of [
    'interface   eth0, MTU 1500',
    `public IP   ${a.address}`,
    'network     10.2.0.0/16 by vxlan',
    `subnet      ${own.subnet}`,
    `device      flannel.1 up, MTU 1450, ${own.mac}`,
    'kernel      all 8 objects are as they shall be',
  ])
    assert.ok(told.text.includes(`${line}\n`), `${line} in\n${told.text}`);
  const peers = [await leaseOf(cluster, b), await leaseOf(cluster, c)];
  const wanted = peers.map(({ subnet, publicIp }) => [subnet, publicIp, 'programmed']);
  assert.deepEqual(rowsOf(told).sort(), wanted.sort());
  assert.match(told.text, /^daemon {6}weft \S+, pid \d+, up \d+ s, ready$/m);
  assert.match(told.text, /^2 peers: 2 programmed/m);
  const macs = (await jsonOn(a)).peers.map(({ ipv4 }) => ipv4.vtepMac);
  assert.deepEqual(macs.sort(), peers.map(({ mac }) => mac).sort());
});

test('each thing that is wrong with a peer is said of that peer, and such peers come first', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const [a, b, c] = hosts;
  const [daemon] = await joinAll(cluster, hosts);
  await eventuallyEmpty(a);
  await daemon?.stop();
  const [ofB, ofC] = [await leaseOf(cluster, b), await leaseOf(cluster, c)];
  await cluster.put('subnets/10.2.99.0-24', '{"PublicIP":"192.0.2.99","BackendType":"ipip"}');
  await a.run(`bridge fdb replace ${ofB.mac} dev flannel.1 dst 192.0.2.77 self permanent`);
  await a.run(`ip route delete ${ofC.subnet}`);
  const told = await statusOn(a);
  assert.equal(told.code, 1);
  assert.match(told.text, /^3 peers: 1 missing, 1 differs, 1 refused$/m);
  assert.match(told.text, /^kernel {6}1 missing, 1 otherwise of 8 objects: `weft plan` shows them$/m);
  assert.match(told.text, /^daemon {6}does not run$/m);
  assert.deepEqual(
    rowsOf(told).map(([subnet, , state]) => [subnet, state]),
    [
      [ofC.subnet, 'missing'],
      [ofB.subnet, 'differs'],
      ['10.2.99.0/24', 'refused'],
    ],
  );
  assert.match(told.text, /missing\n {2}missing: route\n/);
  assert.match(told.text, /differs\n {2}differs: FDB entry\n/);
  assert.match(told.text, /refused\n {2}it has the backend ipip, ours is vxlan$/m);

  for (const name of [b.address, ofB.subnet, ofB.subnet.replace('.0/24', '.9')]) {
    const { peers } = await jsonOn(a, '-peer', name);
    assert.deepEqual(
      peers.map(({ ipv4, state, objects }) => [
        ipv4.subnet,
        state,
        objects.map(({ state: of, object }) => `${object.type} ${of}`),
      ]),
      [[ofB.subnet, 'differs', ['fdb differs', 'neighbour programmed', 'route programmed']]],
    );
  }
  assert.match((await statusOn(a, '-peer', c.address)).text, /^ {2}missing {5}ip route replace /m);
  const unknown = await statusOn(a, '-peer', '203.0.113.1');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no peer is, or has, 203\.0\.113\.1/);
});

test('with the registry away it tells what the kernel and the subnet file tell, and says so', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  await eventuallyEmpty(a);
  const [own, ofB] = [await leaseOf(cluster, a), await leaseOf(cluster, b)];
  const away = ['-etcd-endpoints', 'http://192.0.2.10:1'];
  const told = await statusOn(a, ...away);
  assert.equal(told.code, 1);
  assert.match(told.text, /does not answer$/m);
  assert.match(told.text, /what to do: start etcd there, or correct -etcd-endpoints/);
  assert.deepEqual(rowsOf(told), [[ofB.subnet, b.address, 'programmed']]);
  const { host, registry, daemon } = await jsonOn(a, ...away);
  assert.deepEqual([host.subnet, registry.reachable, daemon.running], [own.subnet, false, true]);
  assert.equal(registry.problem?.code, 'etcd-unreachable');
  await a.run(`ip neigh delete ${ofB.subnet.replace('/24', '')} dev flannel.1`);
  await eventually(
    'the daemon repairs that',
    async () => rowsOf(await statusOn(a, ...away))[0]?.[2] === 'programmed',
  );
});

test('a host that has not joined says why, and what to do', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const told = await statusOn(a);
  assert.equal(told.code, 1);
  assert.match(told.text, /^no lease publishes the address \S+ of this host$/m);
  assert.match(told.text, /^0 peers$/m);
});

test('udp: peers are the daemon’s to carry, and without it nobody does', async t => {
  const config = JSON.stringify({ ...(JSON.parse(usualConfig) as object), Backend: { Type: 'udp' } });
  const cluster = await createCluster(testScope(t), underlay, { config });
  const hosts = await cluster.addHosts('a', 'b');
  const [a] = hosts;
  const [daemon] = await Promise.all(hosts.map(host => host.join()));
  await eventually('both peers to be carried', async () => (await statusOn(a)).code === 0);
  assert.match((await statusOn(a)).text, /^1 peer: 1 carried/m);
  await daemon?.stop();
  const told = await statusOn(a);
  assert.equal(told.code, 1);
  assert.match(told.text, /^1 peer: 1 missing$/m);
  assert.match(told.text, /^ {2}missing: the daemon that carries its packets$/m);
});
