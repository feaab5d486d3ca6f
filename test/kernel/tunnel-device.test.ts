import assert from 'node:assert/strict';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { type Prefix, parsePrefix } from '../../src/base/prefix.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { attachTun } from '../../src/sys/tun.ts';
import { abilities } from '../../src/tunnel/abilities.ts';
import { Tunnel } from '../../src/tunnel/tunnel.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { startPing } from '../support/weft-ping.ts';
import { makeDevice, openTunnelPair, routesTo } from './tunnel-pair.ts';
import { assertTransfer, transferForEver } from './tunnel-traffic.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

test('a route changes, and the tunnel closes, while it runs at full speed', async t => {
  const scope = testScope(t);
  for (const without of [[], abilities]) {
    const { a, b } = await openTunnelPair(scope, { without });
    const transfer = await transferForEver(a.netns, b.netns, b.inner4);
    await eventually('full speed', () => a.tunnel.counters().sent.bytes > 20e6);
    for (let round = 0; round < 50; round++) {
      const dst = parsePrefix(`10.5.${100 + round}.0/24`);
      await a.tunnel.change({ set: [{ dst, peer: parseIp('192.0.2.2') }], unset: [] });
      await a.tunnel.change({ set: [], unset: [dst] });
    }
    const before = b.tunnel.counters().received.bytes;
    await eventually('more', () => b.tunnel.counters().received.bytes > before + 5e6);
    const [{ dst = parsePrefix('10.5.2.0/24') } = {}] = routesTo(2);
    await a.tunnel.change({ set: [], unset: [dst] });
    const { sent } = a.tunnel.counters();
    await eventually('drops', () => (a.tunnel.counters().drops['no-route'] ?? 0) > 0);
    assert.ok(a.tunnel.counters().sent.packets <= sent.packets + 10, 'nothing goes any more');
    await a.tunnel.change({ set: routesTo(2), unset: [] });
    await eventually('more', () => a.tunnel.counters().sent.bytes > sent.bytes + 5e6);
    await Promise.all([a.tunnel.close(), b.tunnel.close()]);
    await assert.rejects(a.tunnel.change({ set: [], unset: [] }), { code: 'tunnel-closed' });
    assert.equal(transfer.exit, undefined);
    await transfer.kill();
  }
});

test('a device that is deleted and made anew is found again, told of or not', async t => {
  const { a, b } = await openTunnelPair(testScope(t), { log: quiet });
  for (const told of [true, false, true]) {
    await a.netns.run('ip link delete flannel0');
    await eventually('the loss', () => a.tunnel.problem);
    assert.match(a.tunnel.problem ?? '', /no persistent TUN device flannel0/);
    await b.netns.run(`ping -q -c 2 -i 0.01 -W 1 ${a.inner4}`).catch(() => {});
    await makeDevice(a.netns, 1, 1472);
    if (told) a.tunnel.attach();
    if (told) assert.equal(a.tunnel.problem, undefined);
    await eventually('the device', () => a.tunnel.problem === undefined);
    await assertTransfer(a.netns, b.netns, b.inner4, 2);
    await assertTransfer(b.netns, a.netns, a.inner4, 2);
  }
  assert.ok((a.tunnel.counters().drops['device-refused'] ?? 0) > 0);
});

test('a device that is deleted and made anew at once, under load, is found again', async t => {
  const { a, b } = await openTunnelPair(testScope(t), { log: quiet });
  const transfer = await transferForEver(a.netns, b.netns, b.inner4);
  for (let round = 0; round < 5; round++) {
    const { sent } = a.tunnel.counters();
    await eventually('traffic', () => a.tunnel.counters().sent.bytes > sent.bytes + 1e6);
    await a.netns.run('ip link delete flannel0');
    await makeDevice(a.netns, 1, 1472);
    a.tunnel.attach();
    await eventually('the device', () => a.tunnel.problem === undefined);
  }
  await transfer.kill();
});

test('a worker that breaks under load is followed by one that has the same routes', async t => {
  const { a, b } = await openTunnelPair(testScope(t), { log: quiet });
  const transfer = await transferForEver(a.netns, b.netns, b.inner4);
  await eventually('traffic', () => a.tunnel.counters().sent.bytes > 5e6);
  for (let round = 0; round < 3; round++) {
    // No prefix at all, which only a broken caller could send.
    const dst = `${round}` as Prefix;
    const change = a.tunnel.change({ set: [{ dst, peer: parseIp('192.0.2.2') }], unset: [] });
    await eventually('the break', () => a.tunnel.problem);
    assert.match(a.tunnel.problem ?? '', /thread of the tunnel broke: not a canonical address/);
    await a.tunnel.change({ set: [], unset: [dst] });
    await change;
    assert.equal(a.tunnel.problem, undefined);
    const { sent } = a.tunnel.counters();
    await eventually('traffic', () => a.tunnel.counters().sent.bytes > sent.bytes + 5e6);
  }
  await transfer.kill();
});

test('a program that exits in the middle of it all ends as it said', async t => {
  const { a, b } = await openTunnelPair(testScope(t), { log: quiet });
  const transfer = await transferForEver(a.netns, b.netns, b.inner4);
  // A connection that is still being made would be refused for good by a tunnel that has no routes yet.
  await eventually('traffic', () => a.tunnel.counters().sent.bytes > 1e6);
  await a.tunnel.close();
  const modules = ['base/log.ts', 'tunnel/tunnel.ts'].map(file => path.resolve('src', file));
  const program = `
    (async () => {
      const [{ silentLog }, { Tunnel }] = await Promise.all(process.argv.slice(2).map(module => import(module)));
      const tunnel = await Tunnel.open({ ...JSON.parse(process.argv[1]), log: silentLog });
      await tunnel.change({ set: ${JSON.stringify(routesTo(2))}, unset: [] });
      setInterval(() => tunnel.counters().sent.bytes > 2e6 && process.exit(7), 5);
    })();`;
  const { log: _, ...options } = a.options;
  for (let round = 0; round < 5; round++) {
    const argv = [process.execPath, '-e', program, JSON.stringify(options), ...modules];
    await assert.rejects(a.netns.run(argv), { exitCode: 7 });
  }
  await transfer.kill();
});

test('a device that goes down and up again needs nobody', async t => {
  const { a, b } = await openTunnelPair(testScope(t));
  await a.netns.run('ip link set flannel0 down');
  await b.netns.run(`ping -q -c 2 -i 0.01 -W 1 ${a.inner4}`).catch(() => {});
  await a.netns.ipBatch(['link set flannel0 up', 'route add 10.5.0.0/16 dev flannel0']);
  await assertTransfer(a.netns, b.netns, b.inner4, 2);
});

test('the device, its addresses and its routes outlive the tunnel, and the next one takes over', async t => {
  const scope = testScope(t);
  const { a, b } = await openTunnelPair(scope);
  const ping = await startPing(b.netns, a.inner4);
  const before = await a.netns.run('ip -o address show dev flannel0');
  await a.tunnel.close();
  await a.tunnel.close();
  assert.equal(await a.netns.run('ip -o address show dev flannel0'), before);
  assert.match(await a.netns.run('ip route show dev flannel0'), /10\.5\.0\.0\/16/);
  const next = scope.own('next tunnel', await inNetns(a.netns.path, () => Tunnel.open(a.options)));
  await next.change({ set: routesTo(2), unset: [] });
  await ping.more(20);
  await ping.stop();
});

test('what cannot be opened is told with what to do about it, and leaves nothing behind', async t => {
  const { a } = await openTunnelPair(testScope(t));
  const open = (options: object) =>
    inNetns(a.netns.path, () => Tunnel.open({ ...a.options, log: quiet, ...options }));
  await assert.rejects(open({}), { code: 'udp-port-in-use', remedy: /ss -ulpn/ });
  await assert.rejects(open({ port: 1 }), { code: 'tun-busy', message: /flannel0/, remedy: /fdinfo/ });
  const elsewhere = { ipv4: parseIp('192.0.2.77'), ipv6: undefined };
  await assert.rejects(open({ local: elsewhere }), { code: 'udp-address-missing', remedy: /ip address/ });
  await assert.rejects(open({ port: 1, device: 'c0' }), { code: 'tun-kind', remedy: /ip -d link show c0/ });
  await assert.rejects(open({ port: 1, netns: '/run/netns/none' }), { code: 'netns-missing' });
  // Nothing holds that port now.
  const waiting = await open({ port: 1, device: 'later' });
  assert.match(waiting.problem ?? '', /no persistent TUN device later/);
  await a.netns.run('ip tuntap add later mode tun');
  await eventually('the device', () => waiting.problem === undefined);
  await waiting.close();
});

test('attaching makes no device', async t => {
  const netns = await createNetns(testScope(t), 'a');
  assert.equal(attachTun({ name: 'nobody', netns: netns.path, offloads: true }), undefined);
  assert.doesNotMatch(await netns.run('ip link'), /nobody/);
});
