import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { formatLeaseAttrs, parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { KeepEvent, LeaseKeeper } from '../../../src/registry/lease-keeper.ts';
import type { OwnLease } from '../../../src/registry/own-lease.ts';
import { attrsOf, configOf, createHost, settle, type TestHost, usualConfig } from './subnets.ts';

const us = '192.168.3.1';
const them = '192.168.3.9';
const hourMs = 3_600_000;

async function acquire(host: TestHost, publicIp = us): Promise<OwnLease> {
  const wish = {
    publicIp: parseIp(publicIp),
    publicIpv6: undefined,
    config: usualConfig,
    attrsFor: () => attrsOf(publicIp),
  };
  return await settle(host.clock, host.manager.acquireLease(wish));
}

interface Kept {
  readonly host: TestHost;
  readonly own: OwnLease;
  readonly keeper: LeaseKeeper;
  /** What the keeper told: `renewed due`, `failed registry-unavailable`, `lost lease-lost`. */
  readonly told: string[];
  readonly events: KeepEvent[];
  /** What the key holds now: the public address, and whether it is permanent. */
  held(): Promise<string | undefined>;
}

/** A host whose lease is kept while `body` runs. */
async function keeping(
  body: (kept: Kept) => Promise<void>,
  options: { readonly marginSeconds?: number; readonly reserved?: boolean } = {},
): Promise<void> {
  const host = createHost();
  if (options.reserved === true) {
    await host.registry.put('subnets/10.2.14.0-24', formatLeaseAttrs(attrsOf(us)));
  }
  const own = await acquire(host);
  const controller = new AbortController();
  const events: KeepEvent[] = [];
  const told: string[] = [];
  const { marginSeconds } = options;
  const keeper = host.manager.keepLease(own, {
    marginSeconds,
    signal: controller.signal,
    onEvent: event => {
      events.push(event);
      told.push(
        `${event.type} ${event.type === 'renewed' ? event.why : 'code' in event.error ? event.error.code : ''}`,
      );
    },
  });
  const held = async (): Promise<string | undefined> => {
    const entry = await host.registry.get(own.key);
    if (entry === undefined) return undefined;
    return `${parseLeaseAttrs(entry.value).publicIp}${entry.permanent ? ' for ever' : ''}`;
  };
  try {
    await body({ host, own, keeper, told, events, held });
  } finally {
    controller.abort();
    await keeper.ended;
  }
}

test('a lease is renewed an hour before it expires, again and again', () =>
  keeping(async ({ host, own, keeper, told, held }) => {
    await host.clock.advance(0.9 * 23 * hourMs - 10_000);
    assert.deepEqual(told, []);
    await host.clock.advance(0.1 * 23 * hourMs + 20_000);
    assert.deepEqual(told, ['renewed due']);
    assert.ok(keeper.own.revision > own.revision);
    await host.clock.advance(10 * 24 * hourMs);
    assert.ok(told.length >= 11 && told.length <= 13, `${told.length} renewals in eleven days`);
    assert.equal(await held(), us);
    assert.equal(keeper.own.key, own.key);
  }));

test("the margin is the operator's, from 1 to 1439 minutes", async () => {
  await keeping(
    async ({ host, told }) => {
      await host.clock.advance(hourMs + 10_000);
      assert.equal(told.length, 1);
    },
    { marginSeconds: 23 * 3600 },
  );
  await keeping(
    async ({ host, told }) => {
      await host.clock.advance(10 * 60_000 + 5000);
      assert.ok(told.length === 10 || told.length === 11, 'a margin of 1439 minutes renews each minute');
    },
    { marginSeconds: 1439 * 60 },
  );
  const host = createHost();
  const own = await acquire(host);
  for (const marginSeconds of [0, 59, 1440 * 60, Number.NaN]) {
    const options = { marginSeconds, signal: AbortSignal.abort(), onEvent: () => {} };
    assert.throws(
      () => host.manager.keepLease(own, options),
      error => hasCode(error, 'margin-invalid'),
    );
  }
});

test('hosts that were started in the same instant renew at different times, and the next day even more so', async () => {
  const config = configOf({ Network: '10.2.0.0/16' });
  const first = createHost();
  const controller = new AbortController();
  const renewals: number[][] = [[], []];
  const keepers: LeaseKeeper[] = [];
  for (let number = 1; number <= 100; number++) {
    const { manager } = first.another();
    const [publicIp, attrs] = [parseIp(`192.168.3.${number}`), attrsOf(`192.168.3.${number}`)];
    const wish = { publicIp, publicIpv6: undefined, config, attrsFor: () => attrs };
    const own = await settle(first.clock, manager.acquireLease(wish));
    let times = 0;
    const onEvent = () => void renewals[times++]?.push(first.clock.monotonicMs());
    keepers.push(manager.keepLease(own, { signal: controller.signal, onEvent }));
  }
  try {
    await first.clock.advance(47 * hourMs);
  } finally {
    controller.abort();
    await Promise.all(keepers.map(keeper => keeper.ended));
  }
  const spreadHours = renewals.map(times => (Math.max(...times) - Math.min(...times)) / hourMs);
  const [day1 = 0, day2 = 0] = spreadHours;
  assert.deepEqual(
    renewals.map(times => times.length),
    [100, 100],
  );
  assert.ok(day1 > 1.5 && day1 < 2.4, `the first within ${day1} h`);
  assert.ok(day2 > day1, `the second within ${day2} h`);
});

test('a lease whose key was deleted is written again at once, the same subnet', () =>
  keeping(async ({ host, own, told, held }) => {
    await host.registry.delete(own.key);
    await host.clock.advance(1000);
    assert.deepEqual(told, ['renewed deleted']);
    assert.equal(await held(), us);
    await host.clock.advance(hourMs);
    assert.equal(told.length, 1, 'and it is left at that');
  }));

test('a lease overwritten with nonsense is put right', () =>
  keeping(async ({ host, own, told, held }) => {
    await host.registry.put(own.key, 'nonsense');
    await host.clock.advance(1000);
    assert.deepEqual(told, ['renewed overwritten']);
    assert.equal(await held(), us);
  }));

test('a lease that an operator made a reservation is one from then on, with what we publish', () =>
  keeping(async ({ host, own, keeper, held }) => {
    await host.registry.put(own.key, '{"PublicIP":"192.168.3.1"}');
    await host.clock.advance(1000);
    assert.equal(await held(), `${us} for ever`);
    assert.equal(keeper.own.lease.permanent, true);
    assert.deepEqual(parseLeaseAttrs((await host.registry.get(own.key))?.value ?? ''), attrsOf(us));
    await host.clock.advance(48 * hourMs);
    assert.equal(await held(), `${us} for ever`);
  }));

test('a reservation is not renewed, and when it is deleted it becomes a lease', () =>
  keeping(
    async ({ host, own, told, held }) => {
      assert.equal(own.lease.permanent, true);
      await host.clock.advance(48 * hourMs);
      assert.deepEqual(told, []);
      await host.registry.delete(own.key);
      await host.clock.advance(1000);
      assert.deepEqual(told, ['renewed deleted']);
      assert.equal(await held(), us);
    },
    { reserved: true },
  ));

test('a subnet that another host holds is told as lost, is not taken back by force, and is ours when it is free', () =>
  keeping(async ({ host, own, told, events, held }) => {
    await host.registry.put(own.key, formatLeaseAttrs(attrsOf(them)), { ttlSeconds: 86_400 });
    await host.clock.advance(600_000);
    assert.equal(await held(), them);
    assert.ok(told.length >= 10 && told.every(line => line === 'lost lease-lost'), `${told}`);
    const [first] = events;
    assert.ok(first?.type === 'lost');
    assert.match(first.error.message, /192\.168\.3\.1 leased, is no longer ours: 192\.168\.3\.9 holds it/);
    assert.ok(events.every(event => event.type !== 'renewed' && event.retryInMs <= 60_000));
    await host.registry.delete(own.key);
    await host.clock.advance(1000);
    assert.equal(told.at(-1), 'renewed deleted');
    assert.equal(await held(), us);
  }));

test('a subnet that another took as part of a larger one is lost, and nothing is written', () =>
  keeping(async ({ host, own, told }) => {
    await host.another().registry.put('subnets/10.2.0.0-18', formatLeaseAttrs(attrsOf(them)));
    await host.registry.delete(own.key);
    const { revision } = host.store.history;
    await host.clock.advance(5000);
    assert.equal(told[0], 'lost lease-lost');
    assert.equal(host.store.history.revision, revision);
  }));

test('an outage at the time of renewal is told, retried, and no reason to lose the lease', () =>
  keeping(async ({ host, told, events, held }) => {
    await host.clock.advance(20.5 * hourMs);
    host.registry.disconnect(new Error('the cable is out'));
    await host.clock.advance(3 * hourMs);
    assert.ok(told.length > 10 && told.every(line => line === 'failed registry-unavailable'), `${told}`);
    assert.ok(events.every(event => event.type === 'failed' && event.retryInMs <= 60_000));
    host.registry.reconnect();
    await host.clock.advance(61_000);
    assert.equal(told.at(-1), 'renewed due');
    assert.equal(await held(), us);
  }));

test('a lease that expired during an outage is written again, the same subnet', () =>
  keeping(async ({ host, own, told, held }) => {
    host.registry.disconnect(new Error('the cable is out'));
    await host.clock.advance(25 * hourMs);
    assert.equal(await host.another().registry.get(own.key), undefined);
    host.registry.reconnect();
    await host.clock.advance(61_000);
    assert.match(told.at(-1) ?? '', /^renewed/);
    assert.equal(await held(), us);
  }));

test('a key that changed and was compacted away meanwhile is noticed all the same', () =>
  keeping(async ({ host, own, held }) => {
    host.registry.disconnect(new Error('the cable is out'));
    await host.another().registry.delete(own.key);
    host.store.compact();
    await host.clock.advance(5000);
    host.registry.reconnect();
    await host.clock.advance(5000);
    assert.equal(await held(), us);
  }));

test('new attributes are published at once, for the same subnet', () =>
  keeping(async ({ host, own, keeper, told }) => {
    keeper.publish(attrsOf(us, '0a:00:00:00:00:02'));
    await host.clock.advance(1000);
    assert.deepEqual(told, ['renewed published']);
    assert.match((await host.registry.get(own.key))?.value ?? '', /0a:00:00:00:00:02/);
    await host.clock.advance(hourMs);
    assert.equal(told.length, 1);
  }));

test('two hosts with one address overwrite each other a few times, then one gives in', () =>
  keeping(async ({ host, own, told }) => {
    const twin = host.another();
    const controller = new AbortController();
    const keeper = twin.manager.keepLease(own, { signal: controller.signal, onEvent: () => {} });
    keeper.publish(attrsOf(us, '0a:00:00:00:00:07'));
    for (let second = 0; second < 600; second++) await host.clock.advance(1000);
    controller.abort();
    await keeper.ended;
    assert.ok(told.length >= 1 && told.length <= 4, `${told.length} writes in ten minutes`);
  }));

test('renewing by hand prolongs, publishes, creates what is gone, and refuses what is not ours', async () => {
  const host = createHost();
  const own = await acquire(host);
  await host.clock.advance(hourMs);
  const renewed = await host.manager.renewLease(own, { attrs: attrsOf(us, '0a:00:00:00:00:02') });
  assert.equal(renewed.expiresAtMonotonicMs, host.clock.monotonicMs() + 24 * hourMs);
  assert.match((await host.registry.get(own.key))?.value ?? '', /0a:00:00:00:00:02/);
  await host.registry.delete(own.key);
  const created = await host.manager.renewLease(renewed);
  assert.equal(created.key, own.key);
  await host.registry.put(own.key, formatLeaseAttrs(attrsOf(them)));
  await assert.rejects(host.manager.renewLease(created), error => hasCode(error, 'lease-lost'));
  assert.equal(parseLeaseAttrs((await host.registry.get(own.key))?.value ?? '').publicIp, them);
});
