import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import { deviceState } from '../../src/kernel/device-state.ts';
import { fdb } from '../../src/kernel/fdb.ts';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { nextHops } from '../../src/kernel/next-hops.ts';
import { routes } from '../../src/kernel/routes.ts';
import { snapshot } from '../../src/kernel/snapshot.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { cable, openSide } from './netlink-pair.ts';

const [v0, vx0] = [3, 4];
const setup = [
  ...cable,
  'address add 192.0.2.1/24 dev v0',
  'link add vx0 type vxlan id 5 dstport 8472',
  'link set vx0 up',
];
const lladdr = parseMac('0a:00:00:00:00:0e');
const dst = parseIp('10.2.14.0');

/** What a host writes for one peer, and the end of it. */
const write = [
  nextHops.request('replace', { id: 77, gateway: dst, dev: vx0, onlink: true }),
  routes.request('replace', { dst: parsePrefix('10.2.14.0/24'), nextHopId: 77 }),
  neighbours.request('replace', { dev: vx0, dst, lladdr }),
  fdb.request('replace', { dev: vx0, lladdr, dst: parseIp('192.0.2.14') }),
];
const remove = [
  routes.request('delete', { dst: parsePrefix('10.2.14.0/24') }),
  nextHops.request('delete', { id: 77 }),
  neighbours.request('delete', { dev: vx0, dst }),
  fdb.request('delete', { dev: vx0, lladdr, dst: parseIp('192.0.2.14') }),
];
const last = neighbours.request('replace', { dev: v0, dst: parseIp('192.0.2.99'), lladdr });

test('what a socket adds is not told to a monitor that leaves it out; what it removes, and others do, is', async t => {
  const scope = testScope(t);
  const { netns, socket } = await openSide(scope, 'own', setup);
  const other = scope.own('other socket', NetlinkSocket.open({ netns: netns.path }));
  assert.notEqual(socket.port, other.port);
  const told: KernelEvent[] = [];
  const onEvent = (event: KernelEvent): void => void told.push(event);
  scope.own('monitor', monitor({ netns: netns.path, exceptBy: socket.port, onEvent }));
  for (const { by, heard } of [
    // The kernel does not say who makes an FDB entry.
    { by: socket, heard: ['present fdb', 'gone route', 'gone nexthop', 'gone neighbour', 'gone fdb'] },
    {
      by: other,
      heard: [
        ...['present nexthop', 'present route', 'present neighbour', 'present fdb'],
        ...['gone route', 'gone nexthop', 'gone neighbour', 'gone fdb'],
      ],
    },
  ]) {
    told.length = 0;
    for (const outcome of await by.requestAll([...write, ...remove]))
      assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.message);
    await other.request(last);
    const events = await eventually('the last notice', () => (told.some(isLast) ? told : undefined));
    const outlined = events.filter(event => !isLast(event) && isOfPeer(event)).map(outline);
    assert.deepEqual([...new Set(outlined)], heard);
    await other.request(neighbours.request('delete', { dev: v0, dst: parseIp('192.0.2.99') }));
    await eventually('its end', () => told.some(event => event.type === 'gone' && isLast(event)));
  }
});

test('every request of a batch that is refused is told, even when all or the last ones are', async t => {
  const { socket } = await openSide(testScope(t), 'refused', setup);
  const [granted, refused] = [write.map(() => true), remove.map(() => false)];
  const rounds = [
    { requests: remove, expected: refused },
    { requests: [...remove, ...write, ...remove], expected: [...refused, ...granted, ...granted] },
    { requests: [...write, ...remove, ...remove], expected: [...granted, ...granted, ...refused] },
  ];
  for (const { requests, expected } of rounds) {
    const outcomes = await socket.requestAll(Array.from({ length: 50 }, () => requests).flat());
    assert.deepEqual(
      outcomes.map(({ ok }) => ok),
      Array.from({ length: 50 }, () => expected).flat(),
    );
    for (const [index, outcome] of outcomes.entries()) {
      const line = requests[index % requests.length]?.what() ?? '';
      if (!outcome.ok) assert.ok(outcome.error.message.startsWith(`${line} failed`), outcome.error.message);
    }
  }
});

test('the state of devices alone is what a snapshot has of links and addresses', async t => {
  const { socket } = await openSide(testScope(t), 'devices', setup);
  await socket.requestAll(write);
  const whole = (await snapshot(socket, ['v0', 'vx0', 'none'])).state;
  const alone = new Map([...whole].filter(([, { type }]) => type === 'link' || type === 'address'));
  assert.ok(alone.size > 3 && alone.size < whole.size);
  assert.deepEqual(await deviceState(socket, ['v0', 'vx0', 'none']), alone);
});

function isLast(event: KernelEvent): boolean {
  return event.type !== 'overrun' && 'dst' in event.object.value && event.object.value.dst === '192.0.2.99';
}

/** The kernel makes some things by itself meanwhile, such as link-local routes. */
function isOfPeer(event: KernelEvent): boolean {
  if (event.type === 'overrun' || event.by !== 0) return true;
  // By whom these were made, or unmade, the kernel does not tell.
  return event.object.type === 'fdb' || ('dst' in event.object.value && event.object.value.dst === dst);
}

function outline(event: KernelEvent): string {
  return event.type === 'overrun' ? event.type : `${event.type} ${event.object.type}`;
}
