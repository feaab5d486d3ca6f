import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../../src/base/errors.ts';
import { familyOf } from '../../../src/base/ip.ts';
import { parsePrefix, prefixContains } from '../../../src/base/prefix.ts';
import { labBackendNamed, labBackends, networkConfigOf, networkText } from '../../../src/lab/lab-network.ts';
import {
  containerAddress,
  defaultShape,
  isNetnsOf,
  type LabShape,
  labFamilies,
  placesOf,
  planLab,
  switchAddresses,
  underlayPrefix,
} from '../../../src/lab/lab-plan.ts';
import { findPlace } from '../../../src/lab/place.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';

const twoByTwo: LabShape = { ...defaultShape, containersPerHost: 2 };

test('a lab is a switch, hosts on a documentation prefix, and containers named after their host', () => {
  assert.deepEqual(planLab(twoByTwo), {
    shape: twoByTwo,
    switch: { name: 'switch', netns: 'weft-lab-switch' },
    hosts: [1, 2].map(host => ({
      name: `host${host}`,
      netns: `weft-lab-host${host}`,
      underlay: [`192.0.2.1${host}`],
      containers: [1, 2].map(container => ({
        name: `host${host}/c${container}`,
        netns: `weft-lab-host${host}-c${container}`,
        number: container,
        port: `veth-c${container}`,
      })),
    })),
  });
});

test('whatever its size, a lab has distinct namespaces and addresses, all recognised as its own', () => {
  const shapes = fc.record({
    name: fc.stringMatching(/^[a-z][a-z0-9_]{0,19}$/),
    hosts: fc.integer({ min: 1, max: 240 }),
    containersPerHost: fc.integer({ min: 0, max: 5 }),
    registry: fc.constantFrom('dir' as const, 'etcd' as const),
    backend: fc.constantFrom(...labBackends),
    family: fc.constantFrom(...labFamilies),
    probing: fc.boolean(),
  });
  fc.assert(
    fc.property(shapes, fc.stringMatching(/^[a-z][a-z0-9_]{0,19}$/), (shape, other) => {
      const plan = planLab(shape);
      const netns = placesOf(plan).map(place => place.netns);
      assert.equal(new Set(netns).size, 1 + shape.hosts * (1 + shape.containersPerHost));
      assert.ok(netns.every(name => isNetnsOf(shape.name, name)));
      assert.ok(other === shape.name || !netns.some(name => isNetnsOf(other, name)));
      const addresses = [...switchAddresses(shape), ...plan.hosts.flatMap(host => host.underlay)];
      assert.equal(new Set(addresses).size, addresses.length);
      assert.ok(addresses.every(address => prefixContains(underlayPrefix[familyOf(address)], address)));
    }),
    { numRuns: 50 },
  );
});

test('hosts have the same digits in both families, and of both the config names a network', () => {
  const dual: LabShape = { ...twoByTwo, backend: 'vxlan-direct', family: '46' };
  assert.deepEqual(
    planLab(dual).hosts.map(({ underlay }) => underlay),
    [
      ['192.0.2.11', '2001:db8::11'],
      ['192.0.2.12', '2001:db8::12'],
    ],
  );
  assert.deepEqual(switchAddresses({ family: '6' }), ['2001:db8::1']);
  assert.equal(networkText(dual), 'vxlan with DirectRouting, IPv4 and IPv6');
});

for (const [backend, family, text] of [
  ['vxlan', '4', '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}'],
  ['udp', '6', '{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd02::/48","Backend":{"Type":"udp"}}'],
  [
    'vxlan-direct',
    '46',
    '{"Network":"10.2.0.0/16","EnableIPv6":true,"IPv6Network":"fd02::/48","Backend":{"Type":"vxlan","DirectRouting":true}}',
  ],
] as const) {
  test(`the config of a lab of ${backend} and family ${family} is one that weft takes`, () => {
    const config = JSON.stringify(networkConfigOf({ backend, family }));
    assert.equal(config, text);
    assert.deepEqual(parseNetworkConfig(config).warnings, []);
  });
}

for (const [text, reason] of [
  ['alloc', /alloc leases subnets and carries no packets/],
  ['extension', /extension carries packets by commands of yours, of which a lab knows nothing/],
  ['wireguard', /a lab has no backend "wireguard"$/],
  ['hostgw', /a lab has no backend "hostgw"; did you mean host-gw\?/],
] as const) {
  test(`there is no lab of ${text}, and the reason is told`, () => {
    assert.throws(
      () => labBackendNamed(text),
      error =>
        hasCode(error, 'usage') &&
        reason.test(error.message) &&
        error.remedy === 'choose one of: vxlan, vxlan-direct, host-gw, udp',
    );
  });
}

test('the first container has the second address of its subnet, the last one the last but one', () => {
  const subnet = parsePrefix('10.2.14.0/24');
  assert.equal(containerAddress(subnet, 1), '10.2.14.2');
  assert.equal(containerAddress(subnet, 250), '10.2.14.251');
  assert.equal(containerAddress(parsePrefix('fd02:0:0:7::/64'), 1), 'fd02:0:0:7::2');
});

for (const name of ['', 'Lab', '1lab', 'a-b', 'a b', '../etc', 'a/b', 'x'.repeat(21)]) {
  test(`${JSON.stringify(name)} is no name of a lab`, () => {
    assert.throws(
      () => planLab({ ...twoByTwo, name }),
      error => hasCode(error, 'lab-name'),
    );
  });
}

for (const shape of [
  { hosts: 0 },
  { hosts: 241 },
  { hosts: 1.5 },
  { containersPerHost: -1 },
  { containersPerHost: 251 },
]) {
  test(`a lab with ${JSON.stringify(shape)} is refused`, () => {
    assert.throws(
      () => planLab({ ...defaultShape, ...shape }),
      error => hasCode(error, 'lab-shape'),
    );
  });
}

for (const netns of [
  'weft-lab-',
  'weft-lab-host0',
  'weft-lab-host1-c',
  'weft-lab-host1-d1',
  'weft-lab-switch2',
  'weft-lab-router',
  'weft-lab2-host1',
  'my-weft-lab-host1',
]) {
  test(`the namespace ${netns} is not one of lab "lab"`, () => assert.equal(isNetnsOf('lab', netns), false));
}

for (const [text, netns] of [
  ['switch', 'weft-lab-switch'],
  ['host2', 'weft-lab-host2'],
  ['host2/c1', 'weft-lab-host2-c1'],
  ['weft-lab-host2-c1', 'weft-lab-host2-c1'],
] as const) {
  test(`${text} names the namespace ${netns}`, () => {
    assert.equal(findPlace(planLab(twoByTwo), text).netns, netns);
  });
}

test('a place that is not there is told with the nearest one and all that there are', () => {
  assert.throws(
    () => findPlace(planLab(twoByTwo), 'hots2'),
    error =>
      hasCode(error, 'lab-place') &&
      error.message === 'lab lab has no "hots2"; did you mean host2?' &&
      error.remedy === 'name one of: host1, host2, host1/c1, host1/c2, host2/c1, host2/c2, switch',
  );
});
