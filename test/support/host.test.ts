import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import { run } from './command.ts';
import { createHost } from './host.ts';
import { testScope } from './leaks.ts';
import { joinByCable } from './netns.ts';

test("a host has its own name, devices, processes and /run, and the machine's file system", async t => {
  const scope = testScope(t);
  const [a, b] = await Promise.all([createHost(scope, 'host-a'), createHost(scope, 'host-b')]);
  await joinByCable({ netns: a.netns, address: '192.0.2.1/24' }, { netns: b.netns, address: '192.0.2.2/24' });
  assert.equal(await a.run('hostname'), 'host-a\n');
  assert.equal(await a.run('ls /sys/class/net'), 'eth0\nlo\n');
  assert.match(await a.run('ps -o args= -p 1'), /^sh /);
  assert.equal(await a.run('pwd'), `${process.cwd()}\n`);
  assert.match(await a.run('ls /sys/fs/cgroup'), /./);
  await a.run('tee /run/flannel/subnet.env', { input: 'FLANNEL_MTU=1450\n' });
  assert.equal(await a.readFile('/run/flannel/subnet.env'), 'FLANNEL_MTU=1450\n');
  assert.equal(await b.run('ls -A /run/flannel'), '');
  assert.ok(!existsSync('/run/flannel/subnet.env'), 'not in the sandbox either');
  await a.run('ping -c1 -W5 192.0.2.2');
});

test('iptables on a host is the variant that was asked for', async t => {
  const scope = testScope(t);
  for (const iptables of ['legacy', 'nft'] as const) {
    const host = await createHost(scope, iptables, { iptables });
    assert.match(await host.run('iptables --version'), iptables === 'nft' ? /nf_tables/ : /legacy/);
    await host.run('iptables -t nat -A POSTROUTING -s 10.2.0.0/16 -j MASQUERADE');
    assert.match(await host.run('iptables-save -t nat'), /-A POSTROUTING -s 10\.2\.0\.0\/16 -j MASQUERADE/);
  }
});

/** Says that it is up, says when it is told to end, and needs Node: as `weft run` does. */
const service = `
  process.on('SIGTERM', () => { console.error('bye'); process.exit(3); });
  setInterval(() => {}, 1000);
  console.log('up on', require('node:os').hostname(), process.env.COLOUR, process.pid);
`;

test('a daemon on a host is waited for, killed, started again and stopped, and everything it said is kept', async t => {
  const host = await createHost(testScope(t), 'host-a');
  const first = await host.start([process.execPath, '-e', service], { env: { COLOUR: 'blue' } });
  const [, inside] = await first.waitForOutput(/^up on host-a blue (\d+)\n/);
  assert.match(await run(['cat', `/proc/${first.pid}/status`]), new RegExp(`NSpid:\\t.*\\t${inside}\n`));
  assert.deepEqual(await first.kill(), { code: null, signal: 'SIGKILL' });
  assert.ok(!existsSync(`/proc/${first.pid}`));

  const second = await first.restart();
  await second.waitForOutput(/^up on host-a blue/);
  assert.notEqual(second.pid, first.pid);
  assert.equal(second.exit, undefined);
  assert.deepEqual(await second.stop(), { code: 3, signal: null });
  assert.equal(second.stderr, 'bye\n');
  assert.match(second.output, /^up on .*\nbye\n$/);
});

test('waiting for a daemon that ends instead fails at once, with what it said', async t => {
  const host = await createHost(testScope(t), 'host-a');
  const daemon = await host.start(['sh', '-c', 'sleep 0.2; echo no such interface >&2; exit 2']);
  await assert.rejects(daemon.waitForOutput(/ready/), /ended by status 2\nno such interface/);
  assert.deepEqual(await daemon.exited, { code: 2, signal: null });
});

test('what has daemonised ends with its host, and a program that takes too long does not stay', async t => {
  const scope = testScope(t);
  const host = await createHost(scope, 'host-a');
  await host.run(['sh', '-c', 'setsid sleep 600 >/dev/null 2>&1 </dev/null & exit 0']);
  await assert.rejects(host.run('sleep 601', { timeoutMs: 200 }), /SIGKILL/);
  const processes = await host.run('ps -eo args');
  assert.match(processes, /sleep 600/);
  assert.doesNotMatch(processes, /sleep 601/);
});
