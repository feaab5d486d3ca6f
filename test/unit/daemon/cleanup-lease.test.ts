import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { findOwnLeases, type LeaseSearch } from '../../../src/daemon/cleanup-lease.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { openMemoryRegistry } from '../../../src/registry/memory.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { createTestClock } from '../registry/clocks.ts';
import { attrsOf, subnetOf } from '../registry/subnets.ts';

const us = { ...attrsOf('192.168.3.1'), publicIpv6: parseIp('2001:db8::1') };
const us6 = { ...us, publicIp: undefined };

const search: LeaseSearch = {
  devices: [],
  subnet: undefined,
  addresses: [parseIp('192.168.3.1'), parseIp('2001:db8::1')],
  vnis: [],
  reservations: [],
  signal: new AbortController().signal,
};

/** A registry with leases of two hosts, and the prefixes it was asked for. */
async function leased(): Promise<{ readonly registry: Registry; readonly asked: readonly string[] }> {
  const memory = openMemoryRegistry({ clock: createTestClock() });
  const asked: string[] = [];
  const leases = {
    'subnets/10.2.5.0-24&fd00:2:0:5::-64': us,
    'subnet6/fd00:2:0:6::-64': us6,
    'subnet6/fd00:2:0:7::-64': { ...us6, publicIpv6: parseIp('2001:db8::7') },
  };
  for (const [key, attrs] of Object.entries(leases)) {
    await memory.put(key, formatLeaseAttrs(attrs), { ttlSeconds: 86_400 });
  }
  const list: Registry['list'] = (prefix, options) => {
    asked.push(prefix);
    return memory.list(prefix, options);
  };
  return { registry: Object.assign(Object.create(memory), { list }), asked };
}

test('a lease of IPv6 alone is found by subnet and address, as one of both families is by either', async () => {
  const cases = [
    [subnetOf(undefined, 'fd00:2:0:6::/64'), ['subnet6/fd00:2:0:6::-64']],
    [subnetOf('10.2.5.0/24'), ['subnets/10.2.5.0-24&fd00:2:0:5::-64']],
    [subnetOf('10.2.5.0/24', 'fd00:2:0:5::/64'), ['subnets/10.2.5.0-24&fd00:2:0:5::-64']],
    [subnetOf(undefined, 'fd00:2:0:7::/64'), []],
  ] as const;
  for (const [subnet, keys] of cases) {
    const { registry } = await leased();
    const found = await findOwnLeases(registry, { ...search, subnet });
    assert.deepEqual(
      found.map(({ key }) => key),
      keys,
    );
  }
});

test('a host that shows no IPv6 asks only for what a role made for flannel may read', async () => {
  const { registry, asked } = await leased();
  await findOwnLeases(registry, { ...search, subnet: subnetOf('10.2.5.0/24') });
  assert.deepEqual(asked, ['subnets/']);
});
