/** Two hosts that publish one address, and others who write our key: told, and never a loop. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { LeaseKeeper } from '../../../src/registry/lease-keeper.ts';
import { attrsOf, createHost, settle, type TestHost, usualConfig } from './subnets.ts';

const us = '192.168.3.1';
const [lesserMac, greaterMac] = ['0a:00:00:00:00:01', '0a:00:00:00:00:02'];
const said = /ANOTHER HOST PUBLISHES OUR ADDRESS 192\.168\.3\.1, and writes our lease of 10\.2\.\d+\.0\/24/;

interface Keeping {
  readonly host: TestHost;
  readonly keeper: LeaseKeeper;
  readonly told: readonly string[];
  stop(): Promise<void>;
}

async function join(host: TestHost, mac: string): Promise<Keeping> {
  const wish = { publicIp: parseIp(us), publicIpv6: undefined, config: usualConfig };
  const own = await settle(
    host.clock,
    host.manager.acquireLease({ ...wish, attrsFor: () => attrsOf(us, mac) }),
  );
  const controller = new AbortController();
  const told: string[] = [];
  const keeper = host.manager.keepLease(own, {
    signal: controller.signal,
    onEvent: event => void told.push(event.type === 'renewed' ? `renewed ${event.why}` : event.type),
  });
  const stop = async (): Promise<void> => {
    controller.abort();
    await keeper.ended;
  };
  return { host, keeper, told, stop };
}

function complaints({ host }: Keeping): number {
  return host.lines.filter(line => line.startsWith('error ') && said.test(line)).length;
}

for (const [title, firstMac, secondMac] of [
  ['with one MAC, as when the second adopts the lease of the first', lesserMac, lesserMac],
  ['with a MAC each', lesserMac, greaterMac],
  ['with a MAC each, the other way round', greaterMac, lesserMac],
] as const) {
  test(`two hosts publish one address, ${title}: both say so, and after a few seconds nobody writes any more`, async () => {
    const first = await join(createHost(), firstMac);
    const { clock, store } = first.host;
    await clock.advance(1000);
    const second = await join(first.host.another(), secondMac);
    const { key } = first.keeper.own;
    await clock.advance(20_000);
    assert.deepEqual([complaints(first), complaints(second)], [1, 1], 'told on both, once');
    const { revision } = store.history;
    assert.ok(revision < 12n, `${revision} writes`);
    await clock.advance(20 * 3_600_000);
    assert.equal(store.history.revision, revision, 'nobody has written for twenty hours');
    assert.equal(store.history.get(key)?.entry.value, formatLeaseAttrs(attrsOf(us, lesserMac)));
    await clock.advance(10 * 24 * 3_600_000);
    assert.notEqual(store.history.get(key), undefined, 'and it does not expire');
    assert.ok(store.history.revision - revision < 200n, 'a few writes a day are left');
    assert.deepEqual([first.keeper.own.key, second.keeper.own.key], [key, key]);

    await second.stop();
    await first.stop();
    store.close();
  });
}

test('the host that gave in takes its lease again when the other has left with the key', async () => {
  const first = await join(createHost(), greaterMac);
  const { clock, store } = first.host;
  const second = await join(first.host.another(), lesserMac);
  await clock.advance(60_000);
  await second.stop();
  const { key } = first.keeper.own;
  assert.equal(store.history.get(key)?.entry.value, formatLeaseAttrs(attrsOf(us, lesserMac)));
  await first.host.registry.delete(key);
  await clock.advance(1000);
  assert.equal(store.history.get(key)?.entry.value, formatLeaseAttrs(attrsOf(us, greaterMac)));
  await first.stop();
  store.close();
});

test('what is no other host is put right, however often it is written', async () => {
  const first = await join(createHost(), greaterMac);
  const { clock, registry, store } = first.host;
  const { key } = first.keeper.own;
  const ours = formatLeaseAttrs(attrsOf(us, greaterMac));
  for (const value of ['nonsense', `{"PublicIP":"${us}"}`, 'nonsense', `{"PublicIP":"${us}"}`]) {
    await registry.put(key, value, { ttlSeconds: 86_400 });
    await clock.advance(60_000);
    assert.equal(store.history.get(key)?.entry.value, ours, value);
  }
  await first.stop();
  store.close();
});

test('our own write, whose answer was lost, is not taken for another host', async () => {
  const first = await join(createHost(), lesserMac);
  const { clock, registry, store } = first.host;
  const { key } = first.keeper.own;
  const put = registry.put.bind(registry);
  for (let renewal = 0; renewal < 5; renewal++) {
    registry.put = async (...args) => {
      await put(...args);
      throw new Error('no answer; whether the change was made is not known');
    };
    first.keeper.publish(attrsOf(us, renewal % 2 === 0 ? greaterMac : lesserMac));
    await clock.advance(500);
    registry.put = put;
    await clock.advance(30_000);
  }
  assert.equal(complaints(first), 0);
  assert.equal(store.history.get(key)?.entry.value, formatLeaseAttrs(attrsOf(us, greaterMac)));
  await first.stop();
  store.close();
});
