/** Whatever happens to the registry and to its keys, a running host keeps one subnet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { KeepEvent, LeaseKeeper } from '../../../src/registry/lease-keeper.ts';
import type { OwnLease } from '../../../src/registry/own-lease.ts';
import { attrsOf, createHost, settle, type TestHost, usualConfig } from './subnets.ts';

const us = '192.168.3.1';
const them = '192.168.3.9';
const hourMs = 3_600_000;
const ttlSeconds = 86_400;

interface World {
  readonly host: TestHost;
  /** Another way to the registry, without outages. */
  readonly outside: TestHost['registry'];
  readonly keeper: LeaseKeeper;
  readonly events: readonly KeepEvent[];
}

async function inWorld(body: (world: World, own: OwnLease) => Promise<void>): Promise<void> {
  const host = createHost();
  const attrsFor = () => attrsOf(us);
  const wish = { publicIp: parseIp(us), publicIpv6: undefined, config: usualConfig, attrsFor };
  const own = await settle(host.clock, host.manager.acquireLease(wish));
  const controller = new AbortController();
  const events: KeepEvent[] = [];
  const keeper = host.manager.keepLease(own, {
    signal: controller.signal,
    onEvent: event => void events.push(event),
  });
  try {
    await body({ host, outside: host.another().registry, keeper, events }, own);
  } finally {
    controller.abort();
    await keeper.ended;
    host.store.close();
  }
}

/** What can happen; `weight` chooses among variants. */
const happenings: Readonly<Record<string, (world: World, weight: number) => unknown>> = {
  'time passes': ({ host }, weight) =>
    host.clock.advance([10, 1000, 30_000, 10 * 60_000, hourMs, 25 * hourMs][weight % 6] ?? 0),
  'the key is deleted': ({ outside, keeper }) => outside.delete(keeper.own.key),
  'the key is written by another host': ({ outside, keeper }) =>
    outside.put(keeper.own.key, formatLeaseAttrs(attrsOf(them)), { ttlSeconds }),
  'the key is written by our twin': ({ outside, keeper }, weight) =>
    outside.put(keeper.own.key, formatLeaseAttrs(attrsOf(us, `0a:00:00:00:00:0${weight % 9}`)), {
      ttlSeconds,
    }),
  'the key is written with nonsense': ({ outside, keeper }) => outside.put(keeper.own.key, 'nonsense'),
  'the key is reserved': ({ outside, keeper }) => outside.put(keeper.own.key, `{"PublicIP":"${us}"}`),
  'another host takes a wider subnet': ({ outside }) =>
    outside.put('subnets/10.2.0.0-18', formatLeaseAttrs(attrsOf(them)), { ttlSeconds }),
  'the wider subnet is free': ({ outside }) => outside.delete('subnets/10.2.0.0-18'),
  'the registry is lost': ({ host }) => host.registry.disconnect(new Error('lost')),
  'the registry is found': ({ host }) => host.registry.reconnect(),
  'the past is compacted': ({ host }) => host.store.compact(),
  'a backup is restored': ({ host: { store } }, weight) => {
    const { history } = store;
    const kept = [...history.entries()].filter((_, index) => (weight >> index) % 2 === 0);
    const revision = history.revision - BigInt(weight % 5);
    const entries = kept.map(stored => ({
      ...stored,
      entry: {
        ...stored.entry,
        revision: stored.entry.revision < revision ? stored.entry.revision : revision,
      },
    }));
    history.replace(entries, revision > 1n ? revision : 1n);
  },
  'the MAC changes': ({ keeper }, weight) => keeper.publish(attrsOf(us, `0a:00:00:00:01:0${weight % 9}`)),
};

const sequence = fc.array(
  fc.record({ what: fc.constantFrom(...Object.keys(happenings)), weight: fc.nat({ max: 1000 }) }),
  { maxLength: 25 },
);

test('a running host never changes its subnet, writes no other, and has its key again when nothing hinders', async () => {
  await fc.assert(
    fc.asyncProperty(sequence, async steps => {
      await inWorld(async (world, own) => {
        const { host, outside, keeper, events } = world;
        const ours = async (): Promise<string[]> => {
          const { entries } = await outside.list('subnets/');
          return entries.filter(entry => entry.value.includes(us)).map(entry => entry.key);
        };
        const steady = async (): Promise<void> => {
          assert.deepEqual(keeper.own.lease.subnet, own.lease.subnet);
          assert.equal(keeper.own.key, own.key);
          assert.ok((await ours()).every(key => key === own.key));
        };
        for (const { what, weight } of steps) {
          await happenings[what]?.(world, weight);
          await steady();
        }
        host.registry.reconnect();
        await outside.delete('subnets/10.2.0.0-18');
        if (!(await ours()).includes(own.key)) await outside.delete(own.key);
        await host.clock.advance(130_000);
        await steady();
        assert.deepEqual(await ours(), [own.key], steps.map(({ what }) => what).join(', '));
        assert.ok(events.every(event => event.type !== 'renewed' || event.own.key === own.key));
      });
    }),
    { numRuns: 100 },
  );
});

test('a renewal that fails until the lease is over is tried to the end and beyond, and the lease is never thought longer', () =>
  inWorld(async ({ host, keeper, events }, own) => {
    const expiresAtMs = own.expiresAtMonotonicMs ?? 0;
    host.registry.disconnect(new Error('the cable is out'));
    await host.clock.advance(expiresAtMs - host.clock.monotonicMs() + hourMs);
    assert.equal(keeper.own.expiresAtMonotonicMs, expiresAtMs, 'what readiness goes by');
    assert.ok(host.clock.monotonicMs() > expiresAtMs);
    assert.ok(events.length > 60 && events.every(event => event.type === 'failed'), `${events.length}`);
    host.registry.reconnect();
    await host.clock.advance(100);
    const last = events.at(-1);
    assert.equal(last?.type, 'renewed', 'at once, not when the pause is over');
    assert.ok((keeper.own.expiresAtMonotonicMs ?? 0) > host.clock.monotonicMs() + 23 * hourMs);
    assert.equal(keeper.own.key, own.key);
  }));

test('a renewal that failed in an outage is made as soon as the registry is found, however long the pauses have become', () =>
  inWorld(async ({ host, events }) => {
    await host.clock.advance(20.5 * hourMs);
    host.registry.disconnect(new Error('the cable is out'));
    await host.clock.advance(3 * hourMs);
    const failed = events.at(-1);
    assert.ok(failed?.type === 'failed' && failed.retryInMs >= 30_000);
    host.registry.reconnect();
    await host.clock.advance(100);
    const last = events.at(-1);
    assert.ok(last?.type === 'renewed' && last.why === 'due');
  }));

test('a key that cannot be written again is tried every few seconds, because peers have lost us', () =>
  inWorld(async ({ host, outside, keeper, events }, own) => {
    const put = host.registry.put.bind(host.registry);
    host.registry.put = () => Promise.reject(new Error('database space exceeded'));
    await outside.delete(own.key);
    await host.clock.advance(600_000);
    assert.ok(events.every(event => event.type === 'failed' && event.retryInMs <= 10_000));
    host.registry.put = put;
    await host.clock.advance(10_100);
    assert.equal(events.at(-1)?.type, 'renewed');
    assert.equal(keeper.own.key, own.key);
  }));

test('a restored backup, older than our last write, is noticed: a key that it lacks, and one that it has as it was', () =>
  inWorld(async ({ host: { clock, store }, keeper, events }, own) => {
    const backup = [...store.history.entries()];
    for (let write = 0; write < 3; write++) {
      keeper.publish(attrsOf(us, `0a:00:00:00:00:1${write}`));
      await clock.advance(1000);
    }
    for (const entries of [backup, []]) {
      const before = events.length;
      store.history.replace(entries, own.revision);
      await clock.advance(1000);
      assert.equal(events.length, before + 1, 'written once');
      const value = store.history.get(own.key)?.entry.value;
      assert.equal(value, formatLeaseAttrs(attrsOf(us, '0a:00:00:00:00:12')));
    }
  }));

test('a new address whose publication was answered by silence is ours all the same, and not another host', () =>
  inWorld(async ({ host, keeper, events }, own) => {
    const moved = attrsOf('192.168.3.77');
    const put = host.registry.put.bind(host.registry);
    host.registry.put = async (...args) => {
      host.registry.put = put;
      await put(...args);
      throw new Error('no answer; whether the change was made is not known');
    };
    keeper.publish(moved);
    await host.clock.advance(10_000);
    assert.deepEqual(
      events.map(event => event.type),
      ['failed', 'renewed'],
    );
    assert.equal(host.store.history.get(own.key)?.entry.value, formatLeaseAttrs(moved));
  }));
