import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Backend, Host } from '../../../src/backend/backend.ts';
import { createBackend } from '../../../src/backend/backends.ts';
import { networksOf } from '../../../src/backend/family.ts';
import { hasCode } from '../../../src/base/errors.ts';
import { hostPrefix, type Prefix, prefixCovers } from '../../../src/base/prefix.ts';
import { judgeLease } from '../../../src/lease/judge.ts';
import type { Lease } from '../../../src/lease/lease.ts';
import { deviceOf, type KernelObject, keyOf } from '../../../src/state/kernel-object.ts';
import { configOf, external, type Families, hostOf, identity, peer } from './hosts.ts';

const types = ['vxlan', 'host-gw', 'udp', 'alloc', 'extension'];

test('a backend type is found in any case', () => {
  for (const type of types)
    assert.equal(createBackend(configOf({ Type: type.toUpperCase() })).backend.type, type);
});

test("one of flannel's that is missing is named, a typing error is guessed", () => {
  for (const type of ['wireguard', 'ipip', 'ipsec', 'tencent-vpc']) {
    assert.throws(
      () => createBackend(configOf({ Type: type })),
      error => hasCode(error, 'backend-not-supported') && types.every(one => error.remedy?.includes(one)),
      type,
    );
  }
  for (const [type, meant] of [
    ['vlxan', 'vxlan'],
    ['hostgw', 'host-gw'],
    ['wiregaurd', 'wireguard'],
  ] as const)
    assert.throws(() => createBackend(configOf({ Type: type })), new RegExp(`did you mean ${meant}`));
  assert.throws(
    () => createBackend(configOf({ Type: 'constructor' })),
    error => hasCode(error, 'backend-unknown'),
  );
});

test('alloc leases a subnet, and leads nowhere', () => {
  const host = hostOf({ Type: 'alloc' }, '46');
  const { backend, warnings } = createBackend(host.config);
  const attrs = backend.attrs(identity());
  assert.deepEqual([attrs.backendType, attrs.backendData, warnings], ['', undefined, []]);
  assert.deepEqual([backend.devices, backend.udpPorts, backend.carrier], [[], [], undefined]);
  assert.equal(backend.containerMtuBytes(external), 1500);
  for (const BackendType of ['', 'vxlan'])
    assert.deepEqual(backend.planPeer(host, peer(14, { PublicIP: '192.0.2.2', BackendType })), []);
});

test('a backend speaks with those that publish its type, and with nobody else', () => {
  const BackendData = { VNI: 1, VtepMAC: '0a:00:00:00:00:02' };
  const published: Readonly<Record<string, string>> = { udp: '', alloc: '' };
  for (const type of types) {
    const { backend } = createBackend(configOf({ Type: type }));
    for (const other of types) {
      const { attrs } = peer(14, { BackendType: published[other] ?? other, BackendData });
      const expected = (published[other] ?? other) === (published[type] ?? type);
      assert.equal(backend.speaks(attrs), expected, `${type} with ${other}`);
    }
  }
});

const families = fc.constantFrom<Families>('4', '6', '46');
const host = fc
  .record({ type: fc.constantFrom(...types), families, DirectRouting: fc.boolean() })
  .map(({ type, families: ours, DirectRouting }) =>
    hostOf(type === 'vxlan' ? { Type: type, DirectRouting } : { Type: type }, ours),
  );
const mac = fc
  .integer({ min: 0, max: 255 })
  .map(last => `0a:00:00:00:00:${last.toString(16).padStart(2, '0')}`);
const data = fc.oneof(
  fc.record({ VNI: fc.constantFrom(1, 2), VtepMAC: mac }),
  fc.constantFrom(undefined, null, 'text', 7, {}),
);
const attrs = fc.record({
  BackendType: fc.constantFrom('vxlan', 'host-gw', '', 'extension', 'other'),
  PublicIP: fc.constantFrom('0.0.0.0', '192.0.2.1', '192.0.2.2', '192.0.2.99', '203.0.113.7', '10.2.14.5'),
  PublicIPv6: fc.constantFrom(null, '2001:db8::1', '2001:db8::2', 'fe80::2', '2001:db8:ffff::2'),
  BackendData: data,
  BackendV6Data: data,
});
const lease = fc
  .record({ number: fc.integer({ min: 2, max: 250 }), attrs, families })
  .map(({ number, attrs: theirs, families: theirFamilies }) => peer(number, theirs, theirFamilies));

function plannedObjects(backend: Backend, of: Host, theirs: Lease): KernelObject[] {
  const plan = backend.planPeer(of, theirs);
  return plan.flatMap(part => (part.type === 'reached' ? part.objects : []));
}

function placeOf(object: KernelObject): Prefix | undefined {
  if (object.type === 'route') return object.value.dst;
  if (object.type === 'neighbour') return hostPrefix(object.value.dst);
  return object.type === 'address' ? hostPrefix(object.value.local) : undefined;
}

test('planning twice gives the same, on devices of ours or borrowed, inside the network', () => {
  fc.assert(
    fc.property(host, lease, (of, theirs) => {
      const { backend } = createBackend(of.config);
      const objects = [...backend.planHost(of), ...plannedObjects(backend, of, theirs)];
      const again = [
        ...backend.planHost(of),
        ...plannedObjects(createBackend(of.config).backend, of, theirs),
      ];
      assert.deepEqual(again, objects);
      assert.equal(new Set(objects.map(keyOf)).size, objects.length);
      const devices = [...backend.devices, ...backend.borrows(of.external)];
      for (const object of objects) {
        assert.ok(devices.includes(deviceOf(object) ?? ''), keyOf(object));
        const place = placeOf(object);
        if (place === undefined) continue;
        assert.ok(
          networksOf(of.config).some(network => prefixCovers(network, place)),
          keyOf(object),
        );
      }
    }),
  );
});

test("a judged lease is either led to with all of a part's subnet, or refused with a reason, once for each family", () => {
  fc.assert(
    fc.property(host, lease, (of, theirs) => {
      if (judgeLease(of.config, of.lease, theirs) !== 'ok') return;
      const { backend } = createBackend(of.config);
      const plan = backend.planPeer(of, theirs);
      const shared = [
        of.lease.subnet.ipv4 && theirs.subnet.ipv4,
        of.lease.subnet.ipv6 && theirs.subnet.ipv6,
      ].filter(prefix => prefix !== undefined);
      for (const part of plan) {
        if (part.type === 'refused') assert.notEqual(part.reason, '');
        else assert.ok(shared.includes(part.routed));
      }
      assert.ok(plan.length <= Math.max(1, shared.length));
      assert.equal(plan.length === 0, backend.type === 'alloc');
    }),
  );
});

test('what a plan makes is ours to remove, as the kernel shows it', () => {
  fc.assert(
    fc.property(host, lease, (of, theirs) => {
      const { backend } = createBackend(of.config);
      for (const object of [...backend.planHost(of), ...plannedObjects(backend, of, theirs)]) {
        assert.ok(backend.owns(of, asShown(object)), keyOf(object));
      }
    }),
  );
});

/** With what the kernel fills in. */
function asShown(object: KernelObject): KernelObject {
  if (object.type !== 'route') return object;
  return {
    type: 'route',
    value: { protocol: 'boot', type: 'unicast', table: 254, scope: 'global', ...object.value },
  };
}
