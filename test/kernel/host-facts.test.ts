/** What doctor reads of ports, processes and devices, beside what `ss` and `ethtool` print. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { leavesChecksums } from '../../src/sys/ethtool.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { processesHere, processStatus } from '../../src/sys/process-status.ts';
import { udpBindings } from '../../src/sys/udp-bindings.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';

test('a VXLAN device has its port without a process, and what binds a socket has one', async t => {
  const ns = await createNetns(testScope(t), 'ports');
  await ns.ipBatch(['link add vx type vxlan id 7 dstport 8472 dev lo', 'link set vx up']);
  const script =
    "require('node:dgram').createSocket('udp4').bind(8285, '127.0.0.1', () => console.log('bound'))";
  const program = await ns.start([process.execPath, '-e', script]);
  await program.waitForOutput(/bound/);
  const kernel = inNetns(ns.path, () => udpBindings(8472));
  assert.ok(kernel.length > 0);
  assert.ok(kernel.every(({ pid }) => pid === undefined));
  assert.deepEqual(
    inNetns(ns.path, () => udpBindings(8285)),
    [{ address: '127.0.0.1', pid: program.pid }],
  );
  assert.deepEqual(
    inNetns(ns.path, () => udpBindings(8286)),
    [],
  );
});

test('a process is found in its own namespace alone, with its state', async t => {
  const ns = await createNetns(testScope(t), 'processes');
  const sleeper = await ns.start(['sleep', '86400']);
  const isIt = (argv: readonly string[]): boolean => argv[0] === 'sleep' && argv[1] === '86400';
  const find = () => inNetns(ns.path, () => processesHere(isIt));
  const found = await sleeper.waitFor('its command line', () => (find().length > 0 ? find() : undefined));
  assert.deepEqual(
    found.map(({ pid }) => pid),
    [sleeper.pid],
  );
  assert.ok(processesHere(isIt).every(({ pid }) => pid !== sleeper.pid));
  process.kill(sleeper.pid, 'SIGSTOP');
  await sleeper.waitFor('it to stop', () => processStatus(sleeper.pid)?.state === 'T');
  assert.ok(processStatus(sleeper.pid)?.capabilities.has('CAP_NET_ADMIN'));
  await sleeper.kill();
  assert.equal(processStatus(sleeper.pid), undefined);
});

test('whether a device leaves checksums to the one below is what ethtool says', async t => {
  const ns = await createNetns(testScope(t), 'ethtool');
  await ns.ipBatch(['link add vx type vxlan id 7 dstport 8472 dev lo']);
  const read = () => inNetns(ns.path, () => leavesChecksums('vx'));
  for (const value of ['off', 'on']) {
    await ns.run(['ethtool', '-K', 'vx', 'tx-checksum-ip-generic', value]);
    assert.match(await ns.run(['ethtool', '-k', 'vx']), new RegExp(`^tx-checksumming: ${value}$`, 'm'));
    assert.equal(read(), value === 'on');
  }
  assert.equal(
    inNetns(ns.path, () => leavesChecksums('absent')),
    undefined,
  );
  assert.equal(leavesChecksums('a-name-that-is-too-long-for-a-device'), undefined);
});
