/** The daemon's door for other hosts: who gets in, what is told, and that it is never the end of the daemon. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { askDoor, type PeerSaid } from '../support/peer-asker.ts';
import { createCluster, joinAll, usualConfig } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

/** Asks until the door is open: it opens within a second of joining. */
async function hear(from: WeftHost, to: WeftHost, question = '/v1/hello'): Promise<PeerSaid> {
  return await eventually(`${question} answered`, async () => {
    const said = await askDoor({ netns: from.netns, address: to.address }, question);
    return said.status !== undefined && said;
  });
}

test('a peer is told who the host is, and how it is', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  const before = Date.now();
  const { status, body } = await hear(a, b);
  const { wallMs, version, ...hello } = body as Record<string, unknown>;
  assert.equal(status, 200);
  assert.match(String(version), /^\d+\.\d+\.\d+/);
  assert.ok(Number(wallMs) >= before && Number(wallMs) <= Date.now());
  assert.deepEqual(hello, {
    ready: true,
    reason: '',
    member: {
      backend: 'vxlan',
      devices: [{ name: 'flannel.1', vni: 1, port: 8472 }],
      subnets: [(await b.subnetEnv()).subnet],
      publicIp: b.address,
    },
  });
});

test('who is no host of the network gets no word, and neither does a container', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  await hear(a, b);
  const stranger = await createNetns(scope, 'stranger');
  await underlay.plugIn(stranger);
  const container = await b.addContainer();
  for (const netns of [stranger, container.netns]) {
    const { status, error } = await askDoor({ netns, address: b.address }, '/v1/hello');
    assert.deepEqual([status, error], [undefined, '']);
  }
  assert.equal((await hear(b, b)).status, 200, 'the host itself is no stranger');
});

test('what is asked wrongly is refused in words, and nothing can be changed', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  await hear(a, b);
  const wrong: ReadonlyArray<readonly [string, number, string]> = [
    ['/v1/nothing', 404, 'door-unknown'],
    ['//', 404, 'door-unknown'],
    ['/v1/trace', 422, 'question-invalid'],
    ['/v1/trace?from=10.2.1.0&to=fd00::1', 422, 'question-invalid'],
    ['/v1/watch?to=10.2.1.0&mark=4294967296&milliseconds=10', 422, 'question-invalid'],
    ['/v1/watch?to=10.2.1.0&mark=1&milliseconds=5001', 422, 'question-invalid'],
    ['/v1/watch/seen?id=none&milliseconds=0', 422, 'watch-unknown'],
  ];
  for (const [question, status, code] of wrong) {
    const said = await hear(a, b, question);
    assert.deepEqual([said.status, (said.body as { code: string }).code], [status, code], question);
  }
});

test('more than four watches at a time are refused, and room comes back by itself', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  await hear(a, b);
  const question = `/v1/watch?to=${(await b.subnetEnv()).subnet.replace('/24', '')}&mark=7&milliseconds=1500`;
  const statuses = [];
  for (let watch = 0; watch < 5; watch++) statuses.push((await hear(a, b, question)).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 422]);
  await eventually('room for another', async () => (await hear(a, b, question)).status === 200);
});

test('a port that another program has is one warning with a remedy, and is taken when it is free', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const occupy = `require('node:net').createServer().listen(8473, '${b.address}', () => console.log('listening'))`;
  const other = await b.netns.start([process.execPath, '-e', occupy]);
  await other.waitForOutput(/listening/);
  await a.join();
  const weft = await b.join();
  const warning = /warn +other hosts cannot ask this one.*8473.*-peer-port/;
  await weft.waitForOutput(warning);
  await other.kill();
  assert.equal((await hear(a, b)).status, 200);
  assert.equal(weft.output.match(/other hosts cannot ask this one/g)?.length, 1);
  assert.match(weft.output, / ready /);
});

test('with -peer-port 0 there is no door, and another port is another door', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await a.join(['-peer-port', '0']);
  await b.join(['-peer-port', '9000']);
  await eventually('the door', async () => {
    const said = await askDoor({ netns: a.netns, address: b.address, port: 9000 }, '/v1/hello');
    return said.status === 200;
  });
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const)
    assert.equal(
      (await askDoor({ netns: from.netns, address: to.address }, '/v1/hello')).error,
      'ECONNREFUSED',
    );
});

test('the door moves with the address of the underlay', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  await hear(a, b);
  const moved = b.address.replace(/\d+$/, last => String(Number(last) + 100));
  await b.netns.ipBatch([`address del ${b.address}/24 dev eth0`, `address add ${moved}/24 dev eth0`]);
  await eventually('the door at the new address', async () => {
    const { status, body } = await askDoor({ netns: a.netns, address: moved }, '/v1/hello');
    return status === 200 && (body as { member: { publicIp: string } }).member.publicIp === moved;
  });
});

test('in a network of IPv6 alone the door is at the IPv6 address', async t => {
  const config =
    '{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:2::/48","Backend":{"Type":"vxlan"}}';
  const cluster = await createCluster(testScope(t), underlay, { config });
  const [a, b] = await cluster.addHosts('a', 'b');
  const addresses = [a, b].map(({ address }) => address.replace(/.*\./, '2001:db8::'));
  for (const [index, host] of [a, b].entries())
    await host.netns.ipBatch([`address add ${addresses[index]}/64 dev eth0 nodad`]);
  await Promise.all([a.join(), b.join()]);
  const { body } = await eventually('a hello over IPv6', async () => {
    const said = await askDoor({ netns: a.netns, address: addresses[1] ?? '' }, '/v1/hello');
    return said.status === 200 && said;
  });
  const { publicIpv6, devices } = (body as { member: Record<string, unknown> }).member;
  assert.deepEqual([publicIpv6, devices], [addresses[1], [{ name: 'flannel-v6.1', vni: 1, port: 8472 }]]);
});

test('of several networks only those are told of in which the asker is a host', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  for (const [name, second] of [
    ['red', 2],
    ['blue', 3],
    ['green', 4],
  ] as const) {
    const config = usualConfig
      .replaceAll('10.2.', `10.${second}.`)
      .replace('{"Type":"vxlan"}', `{"Type":"vxlan","VNI":${second}}`);
    await cluster.put(`${name}/config`, config);
  }
  const [a, b] = await cluster.addHosts('a', 'b');
  const ready = (weft: { waitForOutput(pattern: RegExp): Promise<unknown> }) =>
    weft.waitForOutput(/all networks are ready/);
  await ready(await a.startWeft(['-networks', 'red,blue']));
  await ready(await b.startWeft(['-networks', 'red,blue,green']));
  const both = await eventually('both known', async () => {
    const { body } = await hear(a, b);
    const hello = body as { readonly networks: string[]; readonly member?: unknown };
    return hello.networks.length === 2 && hello;
  });
  assert.deepEqual([both.networks, both.member], [['red', 'blue'], undefined]);
  const { body } = await hear(a, b, '/v1/hello?network=blue');
  assert.deepEqual((body as { member: { devices: unknown } }).member.devices, [
    { name: 'flannel.3', vni: 3, port: 8472 },
  ]);
  const green = await hear(a, b, '/v1/hello?network=green');
  assert.deepEqual([green.status, (green.body as { code: string }).code], [422, 'network-unknown']);
});
