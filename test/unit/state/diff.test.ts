import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { compare } from '../../../src/state/compare.ts';
import { stepCommand, stepReason } from '../../../src/state/describe.ts';
import { diff, type Step } from '../../../src/state/diff.ts';
import { type KernelObject, keyOf, stateOf } from '../../../src/state/kernel-object.ts';

const dev = 'flannel.1';
const vtep: KernelObject = {
  type: 'link',
  value: {
    name: dev,
    mac: parseMac('0a:00:00:00:00:01'),
    mtuBytes: 1450,
    up: true,
    kind: { kind: 'vxlan', vni: 1, dev: 'eth0', local: parseIp('192.0.2.1'), learning: false },
  },
};
const address: KernelObject = {
  type: 'address',
  value: { dev, local: parseIp('10.2.1.0'), prefixLength: 32, scope: 'global' },
};

function peer(octet: number, mac = octet, host = octet): KernelObject[] {
  const gateway = parseIp(`10.2.${octet}.0`);
  const lladdr = parseMac(`0a:00:00:00:00:${mac.toString(16).padStart(2, '0')}`);
  return [
    { type: 'route', value: { dst: parsePrefix(`10.2.${octet}.0/24`), gateway, dev, onlink: true } },
    { type: 'neighbour', value: { dev, dst: gateway, lladdr, state: 'permanent' } },
    {
      type: 'fdb',
      value: { dev, lladdr, dst: parseIp(`192.0.2.${host}`), table: 'self', state: 'permanent' },
    },
  ];
}

/** What a kernel would tell after `object` was made: more than was asked for. */
function readBack(object: KernelObject): KernelObject {
  if (object.type !== 'route') return object;
  return {
    type: 'route',
    value: { onlink: false, ...object.value, type: 'unicast', protocol: 'boot', scope: 'global', table: 254 },
  };
}

function commands(desired: KernelObject[], actual: KernelObject[]): string[] {
  return diff(stateOf(desired), stateOf(actual)).map(stepCommand);
}

test('equal states need no step, however much the kernel adds to what was asked for', () => {
  const all = [vtep, address, ...peer(14), ...peer(15)];
  assert.deepEqual(commands(all, all.map(readBack)), []);
});

test('things are added from the device up, so that a route never waits for its neighbour', () => {
  assert.deepEqual(commands([...peer(14), address, vtep], []), [
    'ip link add flannel.1 address 0a:00:00:00:00:01 mtu 1450 up type vxlan id 1 dev eth0 local 192.0.2.1 nolearning',
    'ip address add 10.2.1.0/32 dev flannel.1',
    'bridge fdb add 0a:00:00:00:00:0e dev flannel.1 dst 192.0.2.14 self permanent',
    'ip neigh add 10.2.14.0 lladdr 0a:00:00:00:00:0e dev flannel.1 nud permanent',
    'ip route add 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink',
  ]);
});

test('things are removed from the route down', () => {
  assert.deepEqual(commands([], peer(14)), [
    'ip route delete 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink',
    'ip neigh delete 10.2.14.0 dev flannel.1',
    'bridge fdb delete 0a:00:00:00:00:0e dev flannel.1 dst 192.0.2.14 self',
  ]);
});

test('a peer with a new MAC gets its FDB entry before its neighbour changes, and loses the old one last', () => {
  assert.deepEqual(commands(peer(14, 77), peer(14).map(readBack)), [
    'bridge fdb add 0a:00:00:00:00:4d dev flannel.1 dst 192.0.2.14 self permanent',
    'ip neigh replace 10.2.14.0 lladdr 0a:00:00:00:00:4d dev flannel.1 nud permanent',
    'bridge fdb delete 0a:00:00:00:00:0e dev flannel.1 dst 192.0.2.14 self',
  ]);
});

test('a peer that moved to another host costs one replaced FDB entry', () => {
  assert.deepEqual(commands(peer(14, 14, 99), peer(14).map(readBack)), [
    'bridge fdb replace 0a:00:00:00:00:0e dev flannel.1 dst 192.0.2.99 self permanent',
  ]);
});

const linkCases: ReadonlyArray<
  readonly [string, Partial<Extract<KernelObject, { type: 'link' }>['value']>, string[]]
> = [
  ['a wrong MTU is changed in place', { mtuBytes: 1500 }, ['ip link set flannel.1 mtu 1450']],
  ['a link that is down is set up', { up: false }, ['ip link set flannel.1 up']],
  [
    'a rewritten MAC is put back',
    { mac: parseMac('02:00:00:00:00:99') },
    ['ip link set flannel.1 address 0a:00:00:00:00:01'],
  ],
];
for (const [title, change, expected] of linkCases) {
  test(`${title}, nothing on the device is touched`, () => {
    const actual: KernelObject = { type: 'link', value: { ...vtep.value, ...change } as typeof vtep.value };
    assert.deepEqual(
      commands([vtep, address, ...peer(14)], [actual, address, ...peer(14)].map(readBack)),
      expected,
    );
  });
}

test('a device of another VNI is made anew, with everything on it', () => {
  const actual: KernelObject = {
    type: 'link',
    value: {
      ...vtep.value,
      kind: { kind: 'vxlan', vni: 2, dev: 'eth0', local: parseIp('192.0.2.1'), learning: false },
    },
  };
  const steps = diff(
    stateOf([vtep, address, ...peer(14)]),
    stateOf([actual, address, ...peer(14), ...peer(15)]),
  );
  assert.deepEqual(
    steps.map(step => `${step.verb} ${step.object.type}`),
    ['delete link', 'add link', 'add address', 'add fdb', 'add neighbour', 'add route'],
  );
  assert.equal(stepReason(steps[0] as Step), 'vni is 2, shall be 1');
});

test('applying the steps to the actual state gives the desired state, for any two states', () => {
  const octets = fc.uniqueArray(
    fc.tuple(
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 0, max: 30 }),
      fc.integer({ min: 1, max: 3 }),
    ),
    {
      selector: ([octet]) => octet,
      maxLength: 20,
    },
  );
  fc.assert(
    fc.property(octets, octets, (wish, found) => {
      const desired = stateOf([vtep, address, ...wish.flatMap(entry => peer(...entry))]);
      const actual = stateOf([vtep, ...found.flatMap(entry => peer(...entry))].map(readBack));
      const result = new Map(actual);
      for (const step of diff(desired, actual)) {
        if (step.verb === 'delete')
          assert.ok(result.delete(keyOf(step.object)), 'only what is there is deleted');
        else {
          assert.equal(result.has(keyOf(step.object)), step.verb === 'replace');
          result.set(keyOf(step.object), step.object);
        }
      }
      assert.deepEqual(
        diff(desired, new Map([...result].map(([key, object]) => [key, readBack(object)]))),
        [],
      );
      assert.deepEqual([...result.keys()].sort(), [...desired.keys()].sort());
    }),
  );
});

test('a route counts as right only with the same way, whatever else is equal', () => {
  const wanted: KernelObject = {
    type: 'route',
    value: { dst: parsePrefix('10.2.14.0/24'), gateway: parseIp('192.0.2.2'), dev: 'eth0' },
  };
  for (const change of [
    { gateway: parseIp('192.0.2.3') },
    { dev: 'eth1' },
    { onlink: true },
    { nextHopId: 4 },
  ]) {
    const actual = readBack({ type: 'route', value: { ...wanted.value, ...change } } as KernelObject);
    assert.equal(commands([wanted], [actual]).length, 1, JSON.stringify(change));
  }
  assert.equal(commands([wanted], [readBack(wanted)]).length, 0);
});

test('every object serves as itself', () => {
  for (const object of [vtep, address, ...peer(14), ...peer(15).map(readBack)]) {
    assert.deepEqual(compare(object, object), [], object.type);
  }
});
