import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { KernelMirror } from '../../../src/daemon/kernel-mirror.ts';
import type { KernelEvent, MonitoredObject } from '../../../src/kernel/monitor.ts';
import { stepOf } from '../../../src/state/diff.ts';
import { type KernelObject, type KernelState, keyOf, stateOf } from '../../../src/state/kernel-object.ts';
import { StateBook } from '../../../src/state/state-book.ts';
import type { Link } from '../../../src/wire/link.ts';

const dev = 'flannel.1';
const [loIndex, ethIndex, vtepIndex] = [1, 2, 7];
const mac = parseMac('0a:00:00:00:00:01');
const lladdr = parseMac('0a:00:00:00:01:0e');
const gateway = parseIp('10.2.14.0');
const vxlan = { kind: 'vxlan', vni: 1, local: parseIp('192.0.2.1'), learning: false } as const;

const wishes: readonly KernelObject[] = [
  {
    type: 'link',
    value: { name: dev, mac, mtuBytes: 1450, txQueueLength: 0, up: true, kind: { ...vxlan, dev: 'eth0' } },
  },
  { type: 'address', value: { dev, local: parseIp('10.2.1.0'), prefixLength: 32, scope: 'global' } },
  {
    type: 'fdb',
    value: { dev, lladdr, dst: parseIp('192.0.2.14'), table: 'self', state: 'permanent' },
  },
  { type: 'neighbour', value: { dev, dst: gateway, lladdr, state: 'permanent' } },
  { type: 'route', value: { dst: parsePrefix('10.2.14.0/24'), gateway, dev, onlink: true } },
];

function link(name: string, index: number, more: Partial<Link> = {}): Link {
  return {
    ...{ index, name, kind: { kind: 'other', name: 'veth' }, mac: undefined, mtuBytes: 1500 },
    ...{ txQueueLength: 1000, up: true, carrier: true, loopback: false, pointToPoint: false },
    ...{ master: undefined, parent: undefined, parentNetnsId: undefined, alias: undefined },
    ...more,
  } as Link;
}

const eth0 = link('eth0', ethIndex);
const vtep = link(dev, vtepIndex, {
  ...{ kind: { ...vxlan, dev: ethIndex }, mac, mtuBytes: 1450, txQueueLength: 0 },
});

/** The objects of the wish as the kernel tells them. */
const address: MonitoredObject = {
  type: 'address',
  value: { dev: vtepIndex, local: parseIp('10.2.1.0'), prefixLength: 32, scope: 'global' },
};
const fdb: MonitoredObject = {
  type: 'fdb',
  value: { dev: vtepIndex, lladdr, dst: parseIp('192.0.2.14'), table: 'self', state: 'permanent' },
};
const neighbour: MonitoredObject = {
  type: 'neighbour',
  value: { dev: vtepIndex, dst: gateway, lladdr, state: 'permanent' },
};
const route: MonitoredObject = {
  type: 'route',
  value: {
    ...{ dst: parsePrefix('10.2.14.0/24'), gateway, dev: vtepIndex, onlink: true },
    ...{ type: 'unicast', protocol: 'boot', scope: 'global' },
  } as Extract<MonitoredObject, { type: 'route' }>['value'],
};

function present(object: MonitoredObject): KernelEvent {
  return { type: 'present', object, by: 0 };
}

function gone(object: MonitoredObject, by = 0): KernelEvent {
  return { type: 'gone', object, by };
}

function presentLink(value: Link): KernelEvent {
  return present({ type: 'link', value });
}

const ownPort = 4711;

/** A mirror that believes all to be as wished, and what its book tells of it. */
function settled(): { readonly mirror: KernelMirror; readonly state: () => KernelState } {
  const book = new StateBook();
  for (const wish of wishes) book.want(keyOf(wish), wish);
  const mirror = new KernelMirror(
    {
      socket: { port: ownPort },
      devices: [dev],
      needs: ['eth0'],
      borrowed: [],
      owns: object => object.type !== 'route' || object.value.onlink === true,
    },
    book,
  );
  mirror.take({
    state: stateOf(wishes),
    links: new Map([link('lo', loIndex), eth0, vtep].map(value => [value.name, value])),
  });
  return { mirror, state: () => new Map(book.actuals()) };
}

const keys = Object.fromEntries(wishes.map(wish => [wish.type, keyOf(wish)]));
const dirty = (type: string) => ({ type: 'dirty', key: keys[type] });
const stale = (key: string | undefined) => ({ type: 'stale', key });
const nothing = { type: 'nothing' };

const other = { route: { ...route.value, gateway: parseIp('192.0.2.77'), dev: ethIndex, onlink: false } };

const cases: ReadonlyArray<readonly [string, KernelEvent, unknown]> = [
  ['a route as wished', present(route), nothing],
  ['a route that is gone', gone(route), dirty('route')],
  [
    'a route that leads elsewhere',
    present({ type: 'route', value: other.route } as MonitoredObject),
    dirty('route'),
  ],
  [
    'another route of the same key that is gone',
    gone({ type: 'route', value: other.route } as MonitoredObject),
    nothing,
  ],
  ['a neighbour as wished', present(neighbour), nothing],
  ['a neighbour that is gone', gone(neighbour), dirty('neighbour')],
  [
    'a neighbour that is no longer permanent',
    present({ type: 'neighbour', value: { ...neighbour.value, state: 'stale' } } as MonitoredObject),
    dirty('neighbour'),
  ],
  ['an FDB entry that is gone', gone(fdb), dirty('fdb')],
  [
    'an FDB entry to another host',
    present({ type: 'fdb', value: { ...fdb.value, dst: parseIp('192.0.2.99') } } as MonitoredObject),
    dirty('fdb'),
  ],
  ['an address as wished', present(address), nothing],
  // With it go routes that no notice tells of.
  ['an address that is gone', gone(address), stale(keys['address'])],
  ['the device as wished', presentLink(vtep), nothing],
  ['another MTU', presentLink({ ...vtep, mtuBytes: 1400 }), dirty('link')],
  ['another MAC', presentLink({ ...vtep, mac: lladdr }), dirty('link')],
  [
    'learning switched on',
    presentLink({ ...vtep, kind: { ...vxlan, dev: ethIndex, learning: true } }),
    dirty('link'),
  ],
  ['the device down', presentLink({ ...vtep, up: false }), stale(keys['link'])],
  ['the device gone', gone({ type: 'link', value: vtep }), stale(keys['link'])],
  ['the device under another name', presentLink({ ...vtep, name: 'foo' }), stale('link foo')],
  ['another device of its name', presentLink({ ...vtep, index: 9, mtuBytes: 1400 }), stale(keys['link'])],
  ['the underlay as it is', presentLink(eth0), nothing],
  ['the underlay gone', gone({ type: 'link', value: eth0 }), stale('link eth0')],
  ['an underlay that came', presentLink({ ...eth0, index: 9 }), stale('link eth0')],
  ['a device that is none of ours', presentLink(link('docker0', 12)), nothing],
  ['lost notices', { type: 'overrun' }, stale(undefined)],
  [
    'a foreign route on our device',
    present({
      type: 'route',
      value: { ...route.value, dst: parsePrefix('198.51.100.0/24'), onlink: false },
    } as MonitoredObject),
    nothing,
  ],
  [
    'a route on another device that looks like ours',
    present({
      type: 'route',
      value: { ...route.value, dst: parsePrefix('10.2.77.0/24'), dev: ethIndex },
    } as MonitoredObject),
    nothing,
  ],
  [
    'a stale route of ours',
    present({
      type: 'route',
      value: { ...route.value, dst: parsePrefix('10.2.77.0/24') },
    } as MonitoredObject),
    { type: 'dirty', key: 'route 254 10.2.77.0/24 0 0' },
  ],
];

for (const [title, event, consequence] of cases) {
  test(`of ${title} follows ${JSON.stringify(consequence)}`, () => {
    assert.deepEqual(settled().mirror.notice(event), consequence);
  });
}

test('what we removed and made again is there: only of the removal does a notice come, and that may come late', () => {
  const { mirror, state } = settled();
  assert.deepEqual(mirror.notice(gone(route, ownPort)), nothing);
  assert.deepEqual(state(), stateOf(wishes));
  assert.notDeepEqual(mirror.notice(gone(route, ownPort + 1)), nothing);
});

test('what was lost and came back unnoticed is nothing to repair', () => {
  const { mirror, state } = settled();
  mirror.notice(gone(route));
  assert.equal(state().has(keys['route'] as never), false);
  assert.deepEqual(mirror.notice(present(route)), nothing);
  assert.deepEqual(state(), stateOf(wishes));
});

test('a step on a device is believed, and one that deletes a device takes all on it along', () => {
  const { mirror, state } = settled();
  const [wish] = wishes;
  assert.ok(wish);
  assert.equal(mirror.learn(stepOf({ verb: 'delete', object: wish })), false);
  assert.equal(state().size, 0);
  assert.equal(mirror.learn(stepOf({ verb: 'add', object: wish })), false);
  assert.deepEqual([...state().values()], [wish]);
  assert.equal(mirror.learn(stepOf({ verb: 'replace', object: wish, differences: [] })), true, 'look again');
});

test('a device is known by its name of the moment, ours also by the name it had', () => {
  const { mirror } = settled();
  assert.equal(mirror.hasLower('eth0'), true);
  mirror.notice(presentLink({ ...eth0, name: 'eth9' }));
  mirror.notice(presentLink({ ...vtep, name: 'foo' }));
  assert.deepEqual(
    ['eth0', 'eth9', 'flannel.1', 'foo'].map(name => mirror.hasLower(name)),
    [false, true, false, true],
  );
  assert.equal(mirror.indexOf(dev), vtepIndex);
});

test('a snapshot replaces all that was believed, without what is foreign', () => {
  const { mirror, state } = settled();
  const foreign: KernelObject = {
    type: 'route',
    value: { dst: parsePrefix('198.51.100.0/24'), dev, onlink: false },
  };
  const staleOne: KernelObject = {
    type: 'neighbour',
    value: { dev, dst: parseIp('10.2.77.0'), lladdr, state: 'permanent' },
  };
  mirror.take({ state: stateOf([foreign, staleOne]), links: new Map() });
  assert.deepEqual([...state().values()], [staleOne]);
});
