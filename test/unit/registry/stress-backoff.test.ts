/** How etcd is asked again when it cannot be reached: ever more slowly, and not by all hosts at once. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import type { Clock } from '../../../src/base/clock.ts';
import { openEtcdRegistry } from '../../../src/registry/etcd.ts';
import { systemClock } from './clocks.ts';

/** The pauses, in milliseconds, that a watch makes while nobody listens. */
async function pausesOf(random: () => number, count: number): Promise<number[]> {
  const pauses: number[] = [];
  const controller = new AbortController();
  const clock: Clock = {
    ...systemClock,
    sleep: async milliseconds => {
      pauses.push(milliseconds);
      if (pauses.length === count) controller.abort();
    },
  };
  const endpoints = [`http://127.0.0.1:${await unusedPort()}`];
  const registry = openEtcdRegistry({ endpoints, prefix: '/network', clock, random });
  const states: unknown[] = [];
  for await (const event of registry.watch('subnets/', { signal: controller.signal })) states.push(event);
  await registry.close();
  assert.equal(states.length, 1, 'the outage is told once, not at each attempt');
  return pauses;
}

async function unusedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('the pauses between attempts double up to five seconds, and stay there', async () => {
  const longest = await pausesOf(() => 1 - Number.EPSILON, 10);
  assert.deepEqual(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000]);
});

test('hosts that lost etcd together come back apart: half of each pause is up to chance', async () => {
  const shortest = await pausesOf(() => 0, 8);
  assert.deepEqual(shortest, [50, 100, 200, 400, 800, 1600, 2500, 2500]);
  const pauses = await Promise.all([1, 2, 3, 4].map(() => pausesOf(Math.random, 8)));
  assert.equal(new Set(pauses.map(list => list.at(-1))).size, 4);
  for (const pause of pauses.flatMap(list => list.at(-1) ?? 0)) assert.ok(pause >= 2500 && pause <= 5000);
});
