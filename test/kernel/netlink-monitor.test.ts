import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { type KernelEvent, type MonitoredObject, monitor } from '../../src/kernel/monitor.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { cable } from './netlink-pair.ts';

interface Heard {
  readonly events: KernelEvent[];
  /** Waits for an event of this type whose object has at least `fields`. */
  next(type: 'present' | 'gone', object: MonitoredObject['type'], fields: object): Promise<KernelEvent>;
}

interface ListenOptions {
  readonly objects?: ReadonlyArray<MonitoredObject['type']>;
  readonly receiveBufferBytes?: number;
}

function listen(scope: Scope, netns: Netns, options: ListenOptions = {}): Heard {
  const events: KernelEvent[] = [];
  const onEvent = (event: KernelEvent) => void events.push(event);
  scope.own('monitor', monitor({ netns: netns.path, ...options, onEvent }));
  return {
    events,
    next: (type, object, fields) =>
      eventually(`${object} ${type} ${JSON.stringify(fields)}`, () =>
        events.find(
          event => event.type === type && event.object.type === object && has(event.object.value, fields),
        ),
      ),
  };
}

function has(value: object, fields: object): boolean {
  return Object.entries(fields).every(([name, field]) => (value as Record<string, unknown>)[name] === field);
}

test('every kind of change is heard: as present when it comes or changes, as gone when it goes', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'monitor');
  const heard = listen(scope, netns);
  await netns.ipBatch([...cable, 'link add vx0 type vxlan id 5 dstport 8472', 'link set vx0 up']);
  const [v0, vx0] = [3, 4];
  await heard.next('present', 'link', { name: 'v0', index: v0, up: false });
  await heard.next('present', 'link', { name: 'v0', index: v0, up: true });
  const lladdr = '0a:00:00:00:00:0e';
  const changes: ReadonlyArray<readonly [string, string, MonitoredObject['type'], object]> = [
    [
      'ip address add 192.0.2.1/24 dev v0',
      'ip address del 192.0.2.1/24 dev v0',
      'address',
      { dev: v0, local: '192.0.2.1', prefixLength: 24 },
    ],
    [
      'ip address add fd00::1/64 dev v0 nodad',
      'ip address del fd00::1/64 dev v0',
      'address',
      { dev: v0, local: 'fd00::1' },
    ],
    [
      'ip route add 10.1.0.0/16 dev v0 table 1000',
      'ip route del 10.1.0.0/16 table 1000',
      'route',
      { dst: '10.1.0.0/16', dev: v0, table: 1000 },
    ],
    ['ip route add fd01::/64 dev v0', 'ip route del fd01::/64', 'route', { dst: 'fd01::/64', dev: v0 }],
    ['ip nexthop add id 7 dev v0', 'ip nexthop del id 7', 'nexthop', { id: 7, dev: v0 }],
    [
      `ip neigh add 10.0.0.9 lladdr ${lladdr} dev v0`,
      'ip neigh del 10.0.0.9 dev v0',
      'neighbour',
      { dev: v0, dst: '10.0.0.9' },
    ],
    [
      `ip neigh add fd00::9 lladdr ${lladdr} dev v0`,
      'ip neigh del fd00::9 dev v0',
      'neighbour',
      { dev: v0, dst: 'fd00::9' },
    ],
    [
      `bridge fdb add ${lladdr} dev vx0 dst 192.0.2.14`,
      `bridge fdb del ${lladdr} dev vx0`,
      'fdb',
      { dev: vx0, lladdr, table: 'self' },
    ],
  ];
  for (const [add, remove, type, fields] of changes) {
    await netns.run(add);
    await heard.next('present', type, fields);
    await netns.run(remove);
    await heard.next('gone', type, fields);
  }
  await netns.run('ip link delete v0');
  await heard.next('gone', 'link', { name: 'v0' });
  await heard.next('gone', 'link', { name: 'v1' });
  assert.ok(heard.events.every(event => event.type !== 'overrun'));
});

test('only the kinds that were asked for are heard, also where two share a group', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'monitor');
  const all = listen(scope, netns);
  const some = (['fdb', 'neighbour', 'route'] as const).map(type => ({
    type,
    heard: listen(scope, netns, { objects: [type] }),
  }));
  await netns.ipBatch([...cable, 'link add vx0 type vxlan id 5 dstport 8472', 'link set vx0 up']);
  await netns.run('ip neigh add 10.0.0.9 lladdr 0a:00:00:00:00:0e dev v0');
  await netns.run('bridge fdb add 0a:00:00:00:00:0e dev vx0 dst 192.0.2.14');
  await netns.run('ip route add 10.1.0.0/16 dev v0');
  await all.next('present', 'route', { dst: '10.1.0.0/16' });
  for (const { type, heard } of some) {
    await eventually(`a ${type}`, () => heard.events.length > 0);
    assert.ok(heard.events.every(event => event.type !== 'overrun' && event.object.type === type));
  }
});

test('events that were lost are told as an overrun, and the monitor goes on', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'monitor');
  await netns.ipBatch(cable);
  const heard = listen(scope, netns, { receiveBufferBytes: 32 * 1024 });
  const addresses = Array.from(
    { length: 2000 },
    (_, number) => `address add 10.0.${number >> 8}.${number & 255}/32 dev v0\n`,
  );
  const [program = '', ...enter] = netns.enter;
  // Synchronous: nobody reads while it goes on.
  execFileSync(program, [...enter, 'ip', '-batch', '-'], { input: addresses.join('') });
  await eventually('an overrun', () => heard.events.some(event => event.type === 'overrun'));
  assert.ok(heard.events.length < 2000);
  await netns.run('ip link add later type bridge');
  await heard.next('present', 'link', { name: 'later' });
});

test('a closed monitor hears nothing more, and closing it twice is closing it', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'monitor');
  const events: KernelEvent[] = [];
  const watching = monitor({ netns: netns.path, onEvent: event => void events.push(event) });
  const witness = listen(scope, netns);
  watching.close();
  watching.close();
  await netns.run('ip link add b1 type bridge');
  await witness.next('present', 'link', { name: 'b1' });
  assert.deepEqual(events, []);
});

test('a monitor may close itself in the midst of its events', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'monitor');
  const events: KernelEvent[] = [];
  const watching = monitor({
    netns: netns.path,
    onEvent: event => {
      events.push(event);
      watching.close();
    },
  });
  const witness = listen(scope, netns);
  await netns.ipBatch(cable);
  await netns.run('ip link add last type bridge');
  await witness.next('present', 'link', { name: 'last' });
  assert.equal(events.length, 1);
});
