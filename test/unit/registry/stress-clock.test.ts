/** Time that jumps: only time that has passed counts, and etcd's time may pass while ours stands still. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { LeaseKeeper } from '../../../src/registry/lease-keeper.ts';
import { MemoryStore } from '../../../src/registry/memory.ts';
import { createTestClock, quiet, type TestClock } from './clocks.ts';
import { attrsOf, createHost, settle, type TestHost, usualConfig } from './subnets.ts';

const us = '192.168.3.1';
const hourMs = 3_600_000;

interface Kept {
  readonly host: TestHost;
  readonly keeper: LeaseKeeper;
  readonly told: readonly string[];
}

/** Keeps a lease of the host while `body` runs. */
async function keeping(host: TestHost, body: (kept: Kept) => Promise<void>): Promise<void> {
  const wish = {
    publicIp: parseIp(us),
    publicIpv6: undefined,
    config: usualConfig,
    attrsFor: () => attrsOf(us),
  };
  const own = await settle(host.clock, host.manager.acquireLease(wish));
  const controller = new AbortController();
  const told: string[] = [];
  const keeper = host.manager.keepLease(own, {
    signal: controller.signal,
    onEvent: event => void told.push(event.type === 'renewed' ? `renewed ${event.why}` : event.type),
  });
  try {
    await body({ host, keeper, told });
  } finally {
    controller.abort();
    await keeper.ended;
  }
}

/** A renewal comes when it is due, and not earlier. */
const noHaste = (): number => 0;

for (const [title, stepMs] of [
  ['forward by five hours', 5 * hourMs],
  ['back by five hours', -5 * hourMs],
  ['forward by ten years', 87_600 * hourMs],
  ['back to 1970', -1_763_964_000_000],
] as const) {
  test(`the wall clock is set ${title}: the lease is renewed when it was due, and is not lost`, async () => {
    const clock = createTestClock();
    let wallOffsetMs = 0;
    const stepped: TestClock = { ...clock, wallMs: () => clock.wallMs() + wallOffsetMs };
    await keeping(createHost(stepped, undefined, noHaste), async ({ host, keeper, told }) => {
      const { key } = keeper.own;
      await clock.advance(hourMs);
      wallOffsetMs = stepMs;
      await clock.advance(21.9 * hourMs);
      assert.deepEqual(told, [], 'not before its time');
      assert.notEqual(await host.registry.get(key), undefined);
      await clock.advance(0.2 * hourMs);
      assert.deepEqual(told, ['renewed due']);
      const { expiresAtWallMs = 0, expiresAtMonotonicMs = 0 } = keeper.own;
      assert.equal(expiresAtWallMs - stepped.wallMs(), expiresAtMonotonicMs - clock.monotonicMs());
      wallOffsetMs = 0;
      await clock.advance(5 * 24 * hourMs);
      assert.equal(told.length, 6);
      assert.ok(told.every(line => line === 'renewed due'));
      assert.equal(keeper.own.key, key);
    });
  });
}

/** A host whose time stands still while etcd's goes on, as CLOCK_MONOTONIC does in suspend. */
function suspendable(): {
  readonly host: TestHost;
  readonly etcdClock: TestClock;
  readonly store: MemoryStore;
} {
  const etcdClock = createTestClock();
  const store = new MemoryStore({ clock: etcdClock });
  return { host: createHost(createTestClock(), store, noHaste), etcdClock, store };
}

test('a host wakes from thirty hours of sleep: its expired lease is written again, with the same subnet', async () => {
  const { host, etcdClock, store } = suspendable();
  await keeping(host, async ({ keeper, told }) => {
    const { key } = keeper.own;
    host.registry.disconnect(new Error('asleep'));
    await etcdClock.advance(30 * hourMs);
    store.expire();
    assert.equal(store.history.get(key), undefined);
    host.registry.reconnect();
    await host.clock.advance(1000);
    assert.deepEqual(told, ['renewed deleted']);
    assert.equal(keeper.own.key, key);
    assert.notEqual(store.history.get(key), undefined);
  });
  store.close();
});

test('a host wakes and finds its subnet with another: it says so, takes no other, and gets it back when it is free', async () => {
  const { host, etcdClock, store } = suspendable();
  await keeping(host, async ({ keeper, told }) => {
    const { key } = keeper.own;
    host.registry.disconnect(new Error('asleep'));
    await etcdClock.advance(30 * hourMs);
    store.expire();
    store.put(key, formatLeaseAttrs(attrsOf('192.168.3.9')), 86_400);
    host.registry.reconnect();
    await host.clock.advance(hourMs);
    assert.ok(told.length > 10 && told.every(type => type === 'lost'), `${told}`);
    assert.deepEqual(
      store.history.snapshot('subnets/').entries.map(entry => entry.key),
      [key],
    );
    store.delete(key);
    await host.clock.advance(1000);
    assert.equal(told.at(-1), 'renewed deleted');
    assert.equal(keeper.own.key, key);
  });
  store.close();
});

test('a host that slept an hour and a half has its key again within moments of its early end', async () => {
  const { host, etcdClock, store } = suspendable();
  await keeping(host, async ({ keeper, told }) => {
    const { key } = keeper.own;
    host.registry.disconnect(new Error('asleep'));
    await etcdClock.advance(1.5 * hourMs);
    host.registry.reconnect();
    await quiet();
    assert.deepEqual(told, []);
    for (let minute = 0; minute < 24 * 60; minute++) {
      await host.clock.advance(60_000);
      await etcdClock.advance(60_000);
    }
    await host.clock.advance(1000);
    // For etcd it has expired before our clock says that it is time.
    assert.deepEqual(told, ['renewed deleted']);
    assert.equal(keeper.own.key, key);
    assert.notEqual(store.history.get(key), undefined);
  });
  store.close();
});
