import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { Scope } from '../../src/base/scope.ts';
import { CommandError, run } from './command.ts';
import { assertNoLeaks, takeInventory, testScope } from './leaks.ts';
import { createNetns, joinByCable, joinBySwitch } from './netns.ts';

test('two namespaces on a cable reach each other, over IPv4 and IPv6, and a default route is where it was asked for', async t => {
  const scope = testScope(t);
  const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  await joinByCable(
    { netns: a, address: ['192.0.2.1/24', '2001:db8::1/64'], gateway: '192.0.2.2' },
    { netns: b, address: ['192.0.2.2/24', '2001:db8::2/64'], device: 'wan0' },
  );
  await a.run('ping -c1 -W5 192.0.2.2');
  await b.run('ping -c1 -W5 2001:db8::1');
  assert.match(await a.run('ip route'), /^default via 192\.0\.2\.2 dev eth0/);
  assert.match(await b.run('ip route'), /^192\.0\.2\.0\/24 dev wan0 [^\n]*\n$/);
});

test('three namespaces at a switch reach each other, with real frames of the MTU and no larger', async t => {
  const scope = testScope(t);
  const hosts = [await createNetns(scope, 'a'), await createNetns(scope, 'b'), await createNetns(scope, 'c')];
  const ports = hosts.map((netns, index) => ({ netns, address: `192.0.2.${index + 1}/24` }));
  const bridge = await joinBySwitch(scope, ports, { mtuBytes: 1400, realFrames: true });
  for (const host of hosts) {
    for (const port of ports) await host.run(['ping', '-c1', '-W5', port.address.split('/')[0] ?? '']);
  }
  assert.match(await bridge.run('bridge link'), /port1.*master br0 state forwarding/);
  for (const [netns, device] of [[hosts[0], 'eth0'] as const, [bridge, 'port3'] as const]) {
    assert.match((await netns?.run(['ethtool', '-k', device])) ?? '', /^tcp-segmentation-offload: off$/m);
  }
  await hosts[0]?.run('ping -c1 -W5 -M do -s 1372 192.0.2.2');
  await assert.rejects(
    hosts[0]?.run('ping -c1 -W5 -M do -s 1373 192.0.2.2') ?? Promise.resolve(),
    /message too long/i,
  );
});

test('a program that fails throws its status and what it said', async t => {
  const netns = await createNetns(testScope(t));
  await assert.rejects(netns.run('ip link show nosuch'), error => {
    assert.ok(error instanceof CommandError);
    assert.equal(error.exitCode, 1);
    assert.match(error.message, /ip link show nosuch: exit status 1\nDevice "nosuch" does not exist\./);
    return true;
  });
  await assert.rejects(run('sleep 60', { timeoutMs: 50 }), /sleep 60: SIGKILL/);
  await assert.rejects(run('no-such-program'), /no-such-program: .*(ENOENT|EACCES)/);
});

test('the sandbox shows its own devices in /sys, and the cgroups are still there', () => {
  assert.deepEqual(readdirSync('/sys/class/net'), ['lo']);
  assert.ok(readdirSync('/sys/fs/cgroup').length > 0);
});

test('a namespace, a process and a device that stay are each named as leaks, and are none once they are gone', async () => {
  const before = takeInventory();
  const scope = new Scope();
  const netns = await createNetns(scope, 'left');
  const sleeper = await netns.start('sleep 600');
  await run(['ip', 'link', 'add', 'leak0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', netns.name]);
  await assert.rejects(assertNoLeaks(before, 0), error => {
    assert.ok(error instanceof Error);
    for (const leak of [
      `network namespace ${netns.name}`,
      `process ${sleeper.pid}: sleep 600`,
      'link leak0',
    ]) {
      assert.ok(error.message.includes(leak), `${leak} in ${error.message}`);
    }
    return true;
  });
  await scope.close();
  await assertNoLeaks(before);
});
