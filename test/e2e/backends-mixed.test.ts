/**
 * Backends beside flanneld: leases as it writes them, with what a host of its does with packets; and, when FLANNELD names
 * one (v0.28.9 or thereabouts), the real thing:
 *
 *     FLANNELD=/usr/local/bin/flanneld npm test -- test/e2e/backends-mixed.test.ts
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { after, before, test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import {
  addContainers,
  type Container,
  createNetwork,
  eventuallyMeshed,
  type Family,
  makeRouter,
  type Network,
  type NetworkKind,
  pingFullSize,
  subnetsOf,
} from './backends-house.ts';
import { startTransfer } from './backends-transfer.ts';

const underlay = await createUnderlay(testScope({ after }));
before(() => makeRouter(underlay));

const theirs = '10.2.150.0/24';
const theirContainer = '10.2.150.2';

interface Peer {
  readonly netns: Netns;
  readonly address: string;
}

/** A host that is not ours, with a lease in the network as flanneld writes it. */
async function addPeer(scope: Scope, { cluster }: Network, more: object): Promise<Peer> {
  const netns = await createNetns(scope, 'theirs');
  const { address } = await underlay.plugIn(netns);
  const value = JSON.stringify({ PublicIP: address, PublicIPv6: null, ...more });
  await cluster.put(`subnets/${theirs.replace('/', '-')}`, value);
  return { netns, address };
}

test('host-gw: a host of flanneld’s and ours are gateways to each other', async t => {
  const scope = testScope(t);
  const network = await createNetwork(scope, underlay, { backend: { Type: 'host-gw' }, families: [4] });
  const peer = await addPeer(scope, network, { BackendType: 'host-gw' });
  const [a] = network.hosts;
  await a.join();
  const subnets = await subnetsOf(a);
  await peer.netns.ipBatch([
    `address add ${theirContainer}/24 dev lo`,
    `route add ${subnets[4]} via ${a.address}`,
  ]);
  const route = await a.netns.run(`ip route show ${theirs}`);
  assert.match(route, new RegExp(`^${theirs} via ${peer.address} dev eth0 proto 87 ?\n$`));
  await a.netns.ipBatch([`address add ${subnets[4].replace('.0/', '.1/')} dev lo`]);
  await a.netns.run(['ping', '-c2', '-i0.1', '-W5', '-I', subnets[4].replace('.0/24', '.1'), theirContainer]);
});

test('udp: a host of flanneld’s gets one plain IP packet in each datagram, and answers so', async t => {
  const scope = testScope(t);
  const network = await createNetwork(scope, underlay, { backend: { Type: 'udp' }, families: [4] });
  // Without a type, as flanneld's udp.
  const peer = await addPeer(scope, network, {});
  const answering = await peer.netns.start([process.execPath, '-e', answerEchoes]);
  await answering.waitForOutput(/listening/);
  const [a] = network.hosts;
  await a.join();
  const said = await a.netns.run(['ping', '-n', '-c3', '-i0.1', '-W5', '-s1400', theirContainer]);
  assert.match(said, /3 received/);
  assert.match(answering.stdout, new RegExp(`^1428 bytes from ${a.address}:8285, ttl 63$`, 'm'));
});

/** Takes inner IPv4 packets as flannel's proxy sends them, and sends an answer to each ICMP echo request in them. */
const answerEchoes = `
const socket = require('node:dgram').createSocket('udp4');
const sum = bytes => {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
};
socket.on('message', (packet, { address, port }) => {
  console.log(packet.length + ' bytes from ' + address + ':' + port + ', ttl ' + packet[8]);
  const [source, destination] = [Buffer.from(packet.subarray(12, 16)), Buffer.from(packet.subarray(16, 20))];
  source.copy(packet, 16);
  destination.copy(packet, 12);
  packet[20] = 0;
  packet.writeUInt16BE(0, 22);
  packet.writeUInt16BE(sum(packet.subarray(20)), 22);
  socket.send(packet, port, address);
});
socket.bind(8285, () => console.log('listening'));
`;

const flanneld = process.env['FLANNELD'] ?? '';
const skip = flanneld === '' && 'FLANNELD is not set: it names a flanneld to mix with';

/** flannel's udp knows no IPv6, and its etcd engine no network of IPv6 alone. */
const mixed: ReadonlyArray<NetworkKind & { readonly name: string }> = [
  { name: 'udp', backend: { Type: 'udp' }, families: [4] },
  { name: 'host-gw', backend: { Type: 'host-gw' }, families: [4] },
  { name: 'host-gw, both families', backend: { Type: 'host-gw' }, families: [4, 6] },
  { name: 'vxlan, both families', backend: { Type: 'vxlan' }, families: [4, 6] },
  { name: 'DirectRouting', backend: { Type: 'vxlan', DirectRouting: true }, families: [4] },
  {
    name: 'DirectRouting with a router between, both families',
    backend: { Type: 'vxlan', DirectRouting: true },
    families: [4, 6],
    routed: true,
  },
];

for (const { name, ...kind } of mixed) {
  test(`${name}: a real flanneld and two hosts of ours carry each other’s packets, before and after a restart`, {
    skip,
  }, async t => {
    const scope = testScope(t);
    const network = await createNetwork(scope, underlay, kind);
    const [a, b, c] = network.hosts;
    const daemon = await startFlanneld(a);
    const [weft] = await Promise.all([b.join(), c.join()]);
    const [one, two, three] = await addContainers(scope, network);
    await eventuallyMeshed([one, two, three], kind.families);
    for (const family of kind.families) {
      for (const peer of [two, three]) await exchange(one, peer, family);
    }
    await weft.kill();
    await b.join();
    await eventuallyMeshed([one, two, three], kind.families);
    await daemon.stop();
    await startFlanneld(a);
    await eventuallyMeshed([one, two, three], kind.families);
    assert.doesNotMatch(daemon.output, /panic/i);
  });
}

async function exchange(one: Container, other: Container, family: Family): Promise<void> {
  for (const [from, to] of [[one, other] as const, [other, one] as const]) {
    await pingFullSize(from, to, family);
    const transfer = await startTransfer(from.netns, to.netns, to.addresses[family]);
    await transfer.more(5);
    await transfer.end();
  }
}

async function startFlanneld(host: WeftHost): Promise<Daemon> {
  await host.run('rm -f /run/flannel/subnet.env');
  const daemon = await host.start([flanneld, ...host.flags, '-v', '2']);
  await daemon.waitFor('subnet.env', () => existsSync(host.file('/run/flannel/subnet.env')));
  await eventually('flanneld in service', () =>
    /Running backend|Waiting for .* to renew lease/.test(daemon.output),
  );
  return daemon;
}
