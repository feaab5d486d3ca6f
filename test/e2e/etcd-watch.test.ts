import assert from 'node:assert/strict';
import process from 'node:process';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../../src/base/scope.ts';
import { type EtcdRegistryOptions, openEtcdRegistry } from '../../src/registry/etcd.ts';
import type { Registry, RegistryEntry, RegistryEvent, Revision } from '../../src/registry/registry.ts';
import { outline } from '../contract/watch-reader.ts';
import { type EtcdServer, type EtcdServerOptions, startEtcd } from '../support/etcd.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { systemClock } from '../unit/registry/clocks.ts';

const prefix = '/coreos.com/network';
const user = { name: 'weft', password: 'weft-secret', prefix };

interface Opened {
  readonly etcd: EtcdServer;
  readonly registry: Registry;
}

async function openWith(
  t: TestContext,
  serverOptions: EtcdServerOptions = {},
  options: Partial<EtcdRegistryOptions> = {},
): Promise<Opened & { readonly scope: Scope }> {
  const scope = testScope(t);
  const etcd = await startEtcd(scope, serverOptions);
  const registry = openRegistry(scope, etcd, options);
  return { scope, etcd, registry };
}

function openRegistry(scope: Scope, etcd: EtcdServer, options: Partial<EtcdRegistryOptions> = {}): Registry {
  const { endpoints, certificates = {} } = etcd;
  const around = { prefix, clock: systemClock, random: () => 0 };
  return scope.own('registry', openEtcdRegistry({ endpoints, ...certificates, ...around, ...options }));
}

/** A watch read in the background, `state` events and all. */
interface Told {
  readonly events: readonly RegistryEvent[];
  /** `connected`, or the code of the error that says why not. */
  readonly states: readonly string[];
  /** What was told of keys, in short. */
  readonly changes: readonly string[];
}

/** Starts watching and waits for the first thing told. */
async function follow(
  scope: Scope,
  registry: Registry,
  after?: Revision,
  witness?: RegistryEntry,
): Promise<Told> {
  const controller = new AbortController();
  const events: RegistryEvent[] = [];
  const reading = (async () => {
    for await (const event of registry.watch('subnets/', { signal: controller.signal, after, witness }))
      events.push(event);
  })();
  scope.defer('watch', async () => {
    controller.abort();
    await reading;
  });
  await eventually('the first event', () => events.length > 0);
  return {
    events,
    get states() {
      return events.flatMap(event => (event.type === 'state' ? [stateOf(event)] : []));
    },
    get changes() {
      return outline(events.filter(event => event.type !== 'state'));
    },
  };
}

function stateOf(event: Extract<RegistryEvent, { type: 'state' }>): string {
  if (event.connected) return 'connected';
  return event.cause !== undefined && 'code' in event.cause ? String(event.cause.code) : String(event.cause);
}

function disconnected({ states }: Told): boolean {
  return (states.at(-1) ?? 'connected') !== 'connected';
}

/** Waits for the changes told to be these, and makes sure that no more come. */
async function assertChanges(told: Told, expected: readonly string[]): Promise<void> {
  await eventually('changes', () => told.changes.length >= expected.length).catch(() => {});
  await sleep(200);
  assert.deepEqual(told.changes, expected);
}

describe('a watch of etcd', () => {
  test('goes on where it was after etcd restarted on its data', async t => {
    const { scope, etcd, registry } = await openWith(t);
    const told = await follow(scope, registry);
    await registry.put('subnets/a', '1');
    await assertChanges(told, ['snapshot', 'put subnets/a=1']);
    await etcd.stop();
    await eventually('outage told', () => disconnected(told));
    await etcd.start();
    await registry.put('subnets/a', '2');
    await etcd.etcdctl(['del', `${prefix}/subnets/a`]);
    await assertChanges(told, ['snapshot', 'put subnets/a=1', 'put subnets/a=2', 'delete subnets/a']);
    assert.equal(told.states.at(-1), 'connected');
  });

  test('tells once what happened while it was cut off', async t => {
    const { scope, etcd, registry } = await openWith(t, {}, { random: () => 0.999 });
    const told = await follow(scope, registry);
    await registry.put('subnets/a', '0');
    await assertChanges(told, ['snapshot', 'put subnets/a=0']);
    for (let round = 1; round <= 3; round++) {
      await etcd.stop();
      await etcd.start();
      await etcd.etcdctl(['put', `${prefix}/subnets/a`, `${round}`]);
    }
    await assertChanges(told, ['snapshot', ...[0, 1, 2, 3].map(round => `put subnets/a=${round}`)]);
  });

  test('begins with a snapshot again when the past was compacted', async t => {
    const { scope, etcd, registry } = await openWith(t);
    const { revision } = await registry.list('');
    for (let value = 1; value <= 5; value++) await registry.put('subnets/a', `${value}`);
    await etcd.etcdctl(['compact', `${revision + 4n}`]);
    const told = await follow(scope, registry, revision);
    await assertChanges(told, ['snapshot subnets/a=5']);
    await registry.put('subnets/a', '6');
    await assertChanges(told, ['snapshot subnets/a=5', 'put subnets/a=6']);
    assert.deepEqual(told.states, [], 'a compaction is no outage');
  });

  test('begins with a snapshot again when etcd is behind what was told, as after a restored backup', async t => {
    const { scope, etcd, registry } = await openWith(t);
    for (let value = 1; value <= 9; value++) await registry.put('subnets/old', `${value}`);
    const told = await follow(scope, registry);
    await assertChanges(told, ['snapshot subnets/old=9']);
    await etcd.startEmpty();
    await etcd.etcdctl(['put', `${prefix}/subnets/new`, '1']);
    await eventually('a second snapshot', () => told.changes.length >= 2);
    await registry.put('subnets/new', '2');
    await eventually('the later change', () => told.changes.at(-1) === 'put subnets/new=2');
    assert.match(told.changes[1] ?? '', /^snapshot( subnets\/new=1)?$/);
  });

  test('begins with a snapshot when the list that it shall go on from is of another etcd, however many its revisions', async t => {
    const { scope, etcd, registry } = await openWith(t);
    await registry.put('subnets/old', '1');
    const { entries, revision } = await registry.list('subnets/');
    await etcd.startEmpty();
    await eventually('an answer', () => registry.put('subnets/new', '0').then(() => true));
    for (let value = 1; value <= 9; value++) await registry.put('subnets/new', `${value}`);
    const told = await follow(scope, registry, revision, entries.at(-1));
    await assertChanges(told, ['snapshot subnets/new=9']);
  });

  test('begins with a snapshot when it shall go on after a revision that is still to come', async t => {
    const { scope, registry } = await openWith(t);
    await registry.put('subnets/a', '1');
    const told = await follow(scope, registry, 4711n);
    await assertChanges(told, ['snapshot subnets/a=1']);
  });

  test('tells every change of a transaction that changes many keys', async t => {
    const { scope, etcd, registry } = await openWith(t);
    const told = await follow(scope, registry);
    await assertChanges(told, ['snapshot']);
    const keys = Array.from({ length: 100 }, (_, index) => `subnets/${String(index).padStart(3, '0')}`);
    const puts = keys.map(key => `put ${prefix}/${key} x`).join('\n');
    await etcd.etcdctl('txn', `\n${puts}\n\n\n`);
    await assertChanges(told, ['snapshot', ...keys.map(key => `put ${key}=x`)]);
    const revisions = told.events.flatMap(event => (event.type === 'put' ? [event.entry.revision] : []));
    assert.equal(new Set(revisions).size, 1);
  });

  test('catches up on thousands of changes, and on changes of a megabyte', async t => {
    const { scope, registry } = await openWith(t);
    const { revision } = await registry.list('');
    const count = 3000;
    for (let from = 0; from < count; from += 100) {
      const batch = Array.from({ length: 100 }, (_, index) =>
        registry.put('subnets/many', `${from + index}`),
      );
      await Promise.all(batch);
    }
    const large = Array.from({ length: 6 }, (_, index) => `${index}`.repeat(1_000_000));
    for (const value of large) await registry.put('subnets/large', value);
    const told = await follow(scope, registry, revision);
    await eventually('all of them', () => told.events.length >= count + large.length);
    const revisions = told.events.flatMap(event => (event.type === 'put' ? [event.entry.revision] : []));
    assert.deepEqual(
      revisions,
      revisions.map((_, index) => revision + 1n + BigInt(index)),
    );
    const last = told.events.slice(count).map(event => event.type === 'put' && event.entry.value);
    assert.deepEqual(last, large);
  });

  test('stays connected when nothing happens for longer than etcd allows pings to be near', async t => {
    const { scope, registry } = await openWith(t);
    const told = await follow(scope, registry);
    await sleep(23_000);
    await registry.put('subnets/a', '1');
    await assertChanges(told, ['snapshot', 'put subnets/a=1']);
    assert.deepEqual(told.states, []);
  });

  for (const tls of [undefined, 'server'] as const) {
    test(`notices ${tls === undefined ? 'an etcd' : 'an etcd with TLS'} that falls silent within ten seconds, and its return`, async t => {
      const { scope, etcd, registry } = await openWith(t, tls === undefined ? {} : { tls });
      const told = await follow(scope, registry);
      await registry.put('subnets/a', '1');
      await assertChanges(told, ['snapshot', 'put subnets/a=1']);
      etcd.kill('SIGSTOP');
      const began = performance.now();
      await eventually('outage told', () => disconnected(told));
      assert.ok(performance.now() - began < 10_000);
      assert.deepEqual(told.states, ['etcd-timeout']);
      await eventually('some attempts', () => performance.now() - began > 14_000);
      assert.ok(openSockets() <= 3, `${openSockets()} sockets are open: attempts leave some behind`);
      etcd.kill('SIGCONT');
      await eventually('return told', () => !disconnected(told));
      await registry.put('subnets/a', '2');
      await assertChanges(told, ['snapshot', 'put subnets/a=1', 'put subnets/a=2']);
    });
  }

  test('waits for an etcd that is not there yet', async t => {
    const { scope, etcd, registry } = await openWith(t);
    await etcd.stop();
    const told = await follow(scope, registry);
    await eventually('outage told', () => disconnected(told));
    assert.deepEqual(told.states, ['etcd-unreachable']);
    await etcd.start();
    await assertChanges(told, ['snapshot']);
    assert.deepEqual(told.states, ['etcd-unreachable', 'connected']);
  });

  test('says that the password is wrong, and goes on when it has become right', async t => {
    const { scope, etcd } = await openWith(t, { user });
    const registry = openRegistry(scope, etcd, { username: user.name, password: 'another-secret' });
    const told = await follow(scope, registry);
    await eventually('refusal told', () => disconnected(told));
    await sleep(1000);
    assert.deepEqual(told.states, ['etcd-auth'], 'told once for all attempts');
    await etcd.etcdctl(['user', 'passwd', user.name, '--interactive=false'], 'another-secret');
    await assertChanges(told, ['snapshot']);
    assert.equal(told.states.at(-1), 'connected');
  });

  test('goes on when etcd has restarted and forgotten our token', async t => {
    const { scope, etcd } = await openWith(t, { user });
    const registry = openRegistry(scope, etcd, { username: user.name, password: user.password });
    const told = await follow(scope, registry);
    await registry.put('subnets/a', '1');
    await assertChanges(told, ['snapshot', 'put subnets/a=1']);
    await etcd.stop();
    await etcd.start();
    await registry.put('subnets/a', '2');
    await assertChanges(told, ['snapshot', 'put subnets/a=1', 'put subnets/a=2']);
  });

  test('moves to another member when its own dies, falls silent or loses the others', async t => {
    const { scope, etcd, registry } = await openWith(t, { members: 3 });
    const told = await follow(scope, registry);
    // A put that was not answered is tried again; the first may still come through, even after later ones.
    const change = async (value: string): Promise<void> => {
      await eventually(`put of ${value}`, () => registry.put('subnets/a', value).then(() => true));
      await eventually(`${value} told`, () => told.changes.includes(`put subnets/a=${value}`));
    };
    await change('all there');
    await etcd.stop(0);
    await change('first gone');
    await etcd.start();
    etcd.kill('SIGSTOP', 1);
    await change('second silent');
    etcd.kill('SIGCONT', 1);
    await change('all back');
    etcd.kill('SIGSTOP', 0);
    etcd.kill('SIGSTOP', 1);
    await eventually('outage told', () => disconnected(told));
    await assert.rejects(registry.put('subnets/a', 'no quorum'), { code: /^etcd-(timeout|unavailable)$/ });
    etcd.kill('SIGCONT');
    await eventually('return told', () => !disconnected(told));
    await change('quorum again');
    const revisions = told.events.flatMap(event => (event.type === 'put' ? [event.entry.revision] : []));
    assert.ok(revisions.every((revision, index) => index === 0 || revision > (revisions[index - 1] ?? 0n)));
    const snapshots = told.changes.filter(change => change.startsWith('snapshot'));
    assert.deepEqual(snapshots, ['snapshot'], 'a member that is behind for a moment is no other etcd');
  });
});

/** The TCP connections that this process holds open. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length;
}
