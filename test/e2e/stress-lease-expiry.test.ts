/** A lease that cannot be renewed until it is over: a day in a real daemon's life, on a clock that a test moves. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createCluster, usualConfig } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

test('a host is ready for as long as its lease lasts, then says that it has expired, and is ready again when it is renewed', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const output = await a.run([process.execPath, '--input-type=module', '--eval', program, usualConfig]);
  const kernel = await a.netns.run('ip -br link show flannel.1');
  assert.deepEqual(output.trim().split('\n'), [
    'joined: ready',
    'an outage of 23.9 hours: ready',
    'an outage of 24.1 hours: the subnet lease has expired',
    'an outage of 30 hours: the subnet lease has expired',
    'tries were told: true',
    'found again: ready',
    'the subnet is the same: true',
  ]);
  assert.match(kernel, /^flannel\.1 /, 'the device stays');
});

/** Joins by the daemon's own parts, on a memory registry. */
const program = `
import { setTimeout as sleep } from 'node:timers/promises';
import { readRunOptions } from '${import.meta.resolve('../../src/cli/run-options.ts')}';
import { InstanceLocks } from '${import.meta.resolve('../../src/daemon/instance-lock.ts')}';
import { joinNetwork } from '${import.meta.resolve('../../src/daemon/join.ts')}';
import { placeOnUnderlay } from '${import.meta.resolve('../../src/daemon/network-place.ts')}';
import { NetworkService } from '${import.meta.resolve('../../src/daemon/serve.ts')}';
import { openMemoryRegistry } from '${import.meta.resolve('../../src/registry/memory.ts')}';
import { createSubnetManager } from '${import.meta.resolve('../../src/registry/subnet-manager.ts')}';
import { NetlinkSocket } from '${import.meta.resolve('../../src/sys/netlink-socket.ts')}';
import { createTestClock } from '${import.meta.resolve('../unit/registry/clocks.ts')}';
import { recordingLog } from '${import.meta.resolve('../unit/registry/subnets.ts')}';

const hourMs = 3_600_000;
const clock = createTestClock();
const registry = openMemoryRegistry({ clock });
await registry.put('config', process.argv[1]);
const { log, lines } = recordingLog();
const ending = new AbortController();
const socket = NetlinkSocket.open();
const manager = createSubnetManager({ registry, clock, random: Math.random, log });
const locks = new InstanceLocks();
const tools = {
  ...{ place: placeOnUnderlay(socket), manager, log, clock, locks },
  ...{ signal: ending.signal, random: Math.random, rejoin() {} },
};
const { options } = readRunOptions(['-iface', 'eth0'], {});
const { membership, own } = await joinNetwork(options, tools);
const service = new NetworkService(options, tools, membership, own);
const running = service.run(options.renewMarginMinutes * 60);
const ready = () => (service.readiness().ready ? 'ready' : service.readiness().reason);
for (let tries = 0; tries < 600 && ready() !== 'ready'; tries++) await sleep(50);
console.log('joined: ' + ready());
registry.disconnect(new Error('the cable is out'));
let passed = 0;
for (const hours of [23.9, 24.1, 30]) {
  await clock.advance((hours - passed) * hourMs);
  passed = hours;
  console.log('an outage of ' + hours + ' hours: ' + ready());
}
console.log('tries were told: ' + (lines.filter(line => line === 'warn the lease could not be renewed, trying again').length > 60));
registry.reconnect();
await clock.advance(1000);
console.log('found again: ' + ready());
const { entries } = await registry.list('subnets/');
console.log('the subnet is the same: ' + (entries.length === 1 && entries[0].key === own.key));
ending.abort();
await running;
locks.close();
socket.close();
await registry.close();
`;
