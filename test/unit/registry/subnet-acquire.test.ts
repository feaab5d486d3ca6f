import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import type { Lease, Subnet } from '../../../src/lease/lease.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { OwnLease } from '../../../src/registry/own-lease.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { createSubnetManager } from '../../../src/registry/subnet-manager.ts';
import { attrsOf, configOf, createHost, settle, subnetOf, type TestHost, usualConfig } from './subnets.ts';

const day = 86_400;
const us = '192.168.3.1';

async function acquire(
  host: TestHost,
  wish: {
    readonly publicIp?: string;
    readonly previousSubnet?: Subnet;
    readonly config?: typeof usualConfig;
  } = {},
): Promise<OwnLease> {
  const publicIp = wish.publicIp ?? us;
  const promise = host.manager.acquireLease({
    publicIp: parseIp(publicIp),
    publicIpv6: undefined,
    previousSubnet: wish.previousSubnet,
    config: wish.config ?? usualConfig,
    attrsFor: () => attrsOf(publicIp),
  });
  return await settle(host.clock, promise);
}

async function write(host: TestHost, subnet: string, publicIp: string, ttlSeconds?: number): Promise<void> {
  const key = `subnets/${subnet.replace('/', '-')}`;
  await host.registry.put(key, formatLeaseAttrs(attrsOf(publicIp)), { ttlSeconds });
}

async function keys(host: TestHost): Promise<string[]> {
  return (await host.registry.list('')).entries.map(entry => entry.key);
}

function bound(registry: Registry): Registry {
  return {
    name: registry.name,
    get: (...args) => registry.get(...args),
    list: (...args) => registry.list(...args),
    put: (...args) => registry.put(...args),
    delete: (...args) => registry.delete(...args),
    move: (...args) => registry.move(...args),
    remaining: (...args) => registry.remaining(...args),
    watch: (...args) => registry.watch(...args),
    close: () => registry.close(),
  };
}

const warnings = (host: TestHost): string[] => host.lines.filter(line => line.startsWith('warn'));

test('the network config is read, and a missing one says how to put it', async () => {
  const host = createHost();
  await assert.rejects(
    host.manager.getConfig(),
    error =>
      hasCode(error, 'config-missing') &&
      /key config is absent from memory/.test(error.message) &&
      /weft config put/.test(error.remedy ?? ''),
  );
  await host.registry.put('config', '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"},"Netwrok":1}');
  const { config, warnings } = await host.manager.getConfig();
  assert.equal(config.network, '10.2.0.0/16');
  assert.equal(warnings.length, 1);
  await host.registry.put('config', '{');
  await assert.rejects(host.manager.getConfig(), error => hasCode(error, 'config-invalid'));
});

test('the first lease is one of the range, for 24 hours, in the value flannel writes', async () => {
  const host = createHost();
  const own = await acquire(host);
  assert.equal(own.how, 'new');
  assert.equal(own.lease.permanent, false);
  assert.equal(own.expiresAtMonotonicMs, day * 1000);
  assert.match(own.key, /^subnets\/10\.2\.([1-9]|1[0-9]|20)\.0-24$/);
  const entry = await host.registry.get(own.key);
  assert.equal(entry?.revision, own.revision);
  assert.equal(
    entry?.value,
    '{"PublicIP":"192.168.3.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"0a:00:00:00:00:01"}}',
  );
  assert.deepEqual(warnings(host), []);
});

test('a lease that carries our public address is kept, prolonged, and given to attrsFor', async () => {
  const host = createHost();
  const first = await acquire(host);
  await host.clock.advance(3_600_000);
  let existing: Lease | undefined;
  const second = await settle(
    host.clock,
    host.manager.acquireLease({
      publicIp: parseIp(us),
      publicIpv6: undefined,
      previousSubnet: subnetOf('10.2.9.0/24'),
      config: usualConfig,
      attrsFor: found => {
        existing = found;
        return attrsOf(us, '0a:00:00:00:00:02');
      },
    }),
  );
  assert.deepEqual(existing, first.lease);
  assert.equal(second.how, 'kept');
  assert.deepEqual(second.lease.subnet, first.lease.subnet);
  assert.ok((second.expiresAtMonotonicMs ?? 0) >= (first.expiresAtMonotonicMs ?? 0) + 3_600_000);
  assert.match((await host.registry.get(second.key))?.value ?? '', /0a:00:00:00:00:02/);
  assert.equal((await keys(host)).length, 1);
});

const unfit: Readonly<Record<string, string>> = {
  'below the range': '10.2.0.0/24',
  'above the range': '10.2.21.0/24',
  'of another length': '10.2.4.0/23',
  'outside the network': '10.9.3.0/24',
};
for (const [how, subnet] of Object.entries(unfit)) {
  test(`our own lease ${how} is deleted, said, and nothing else is touched`, async () => {
    const host = createHost();
    await write(host, subnet, us, day);
    await write(host, '10.2.7.0/24', '192.168.3.7', day);
    await write(host, '10.8.7.0/24', '192.168.3.8');
    const own = await acquire(host);
    assert.equal(own.how, 'new');
    assert.deepEqual(
      new Set(await keys(host)),
      new Set(['subnets/10.2.7.0-24', 'subnets/10.8.7.0-24', own.key]),
    );
    assert.equal(warnings(host).length, 1);
    assert.ok(warnings(host)[0]?.includes(`${subnet}, leased to ${us}, does not fit`), `${warnings(host)}`);
  });
}

test('a reservation of ours is taken and stays permanent, though another lease of ours would fit', async () => {
  const host = createHost();
  await write(host, '10.2.4.0/24', us, day);
  await write(host, '10.2.14.0/24', us);
  const own = await acquire(host, { previousSubnet: subnetOf('10.2.4.0/24') });
  assert.equal(own.key, 'subnets/10.2.14.0-24');
  assert.equal(own.lease.permanent, true);
  assert.equal(own.expiresAtMonotonicMs, undefined);
  assert.equal((await host.registry.get(own.key))?.permanent, true);
  await host.clock.advance(2 * day * 1000);
  assert.deepEqual(await keys(host), ['subnets/10.2.14.0-24']);
});

test('a reservation of ours that does not fit is left alone, and said', async () => {
  const host = createHost();
  await write(host, '10.2.40.0/24', us);
  const own = await acquire(host);
  assert.equal(own.how, 'new');
  assert.ok((await keys(host)).includes('subnets/10.2.40.0-24'));
  assert.match(warnings(host).join(), /the reservation 10\.2\.40\.0\/24/);
});

test('the previous subnet is leased again when it is free', async () => {
  const host = createHost();
  await write(host, '10.2.8.0/24', '192.168.3.8', day);
  const own = await acquire(host, { previousSubnet: subnetOf('10.2.9.0/24') });
  assert.equal(own.how, 'previous');
  assert.equal(own.key, 'subnets/10.2.9.0-24');
});

const unusable: Readonly<Record<string, { taken: string; previous: string; says: RegExp }>> = {
  taken: { taken: '10.2.9.0/24', previous: '10.2.9.0/24', says: /taken by 10\.2\.9\.0\/24/ },
  'part of a larger one': { taken: '10.2.8.0/23', previous: '10.2.9.0/24', says: /taken by 10\.2\.8\.0\/23/ },
  'larger than a taken one': {
    taken: '10.2.9.128/25',
    previous: '10.2.9.0/24',
    says: /taken by 10\.2\.9\.128\/25/,
  },
  'outside the range': { taken: '10.2.9.0/24', previous: '10.2.44.0/24', says: /does not fit/ },
};
for (const [how, { taken, previous, says }] of Object.entries(unusable)) {
  test(`a previous subnet that is ${how} is not leased, and that is said`, async () => {
    const host = createHost();
    await write(host, taken, '192.168.3.9', day);
    const own = await acquire(host, { previousSubnet: subnetOf(previous) });
    assert.equal(own.how, 'new');
    assert.notEqual(own.lease.subnet.ipv4, previous);
    assert.match(warnings(host).join(), says);
  });
}

test('stray keys and malformed values are one warning each, and their subnets are not given out', async () => {
  const host = createHost();
  const config = configOf({ Network: '10.2.0.0/24', SubnetLen: 26 });
  await host.registry.put('subnets/test', 'x');
  await host.registry.put('subnets/10.2.0.64-26', 'not JSON');
  await host.registry.put('subnets/10.2.0.128-26', '{"PublicIP":7}');
  await host.registry.put('subnets-old/10.2.0.192-26', formatLeaseAttrs(attrsOf(us)));
  const own = await acquire(host, { config });
  assert.equal(own.key, 'subnets/10.2.0.192-26');
  await acquire(host, { config });
  assert.equal(warnings(host).length, 3, warnings(host).join('\n'));
  await host.registry.put('subnets/test', 'y');
  await acquire(host, { config });
  assert.equal(warnings(host).length, 4, 'a new revision is a new warning');
  assert.equal((await host.registry.get('subnets/test'))?.value, 'y');
});

test('an exhausted pool is an error that names the range, the number taken and what to do', async () => {
  const host = createHost();
  const config = configOf({ Network: '10.2.0.0/24', SubnetLen: 26 });
  for (const [index, base] of ['64', '128', '192'].entries()) {
    await write(host, `10.2.0.${base}/26`, `192.168.4.${index}`, index === 0 ? undefined : day);
  }
  await assert.rejects(acquire(host, { config }), error => {
    assert.ok(hasCode(error, 'subnets-exhausted'));
    assert.match(
      error.message,
      /\/26 of 10\.2\.0\.0\/24 from 10\.2\.0\.64 to 10\.2\.0\.192 holds 3, and 3 are taken/,
    );
    assert.match(error.message, /1 of them reserved/);
    assert.match(error.remedy ?? '', /enlarge the network/);
    return true;
  });
  assert.equal((await keys(host)).length, 3);
});

test('a host without a public address gets no lease', async () => {
  const host = createHost();
  const wish = {
    publicIp: undefined,
    publicIpv6: undefined,
    config: usualConfig,
    attrsFor: () => attrsOf(us),
  };
  await assert.rejects(host.manager.acquireLease(wish), error => hasCode(error, 'public-ip-missing'));
});

test('an IPv6-only host is known by its IPv6 address', async () => {
  const host = createHost();
  const config = configOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:2::/48' });
  const wish = (publicIpv6: string) => ({
    publicIp: undefined,
    publicIpv6: parseIp(publicIpv6),
    config,
    attrsFor: () => ({ ...attrsOf(us), publicIp: undefined, publicIpv6: parseIp(publicIpv6) }),
  });
  const one = await settle(host.clock, host.manager.acquireLease(wish('2001:db8::1')));
  const two = await settle(host.clock, host.manager.acquireLease(wish('2001:db8::2')));
  const again = await settle(host.clock, host.manager.acquireLease(wish('2001:db8::1')));
  assert.equal(again.key, one.key);
  assert.notEqual(two.key, one.key);
});

test('our own lease that another host takes between our look and our write is not taken back', async () => {
  const host = createHost();
  await write(host, '10.2.5.0/24', us, day);
  let raced = false;
  const racing: Registry = {
    ...bound(host.registry),
    async put(key, value, options) {
      if (!raced) await write(host, '10.2.5.0/24', '192.168.3.9', day);
      raced = true;
      return await host.registry.put(key, value, options);
    },
  };
  const manager = createSubnetManager({ registry: racing, clock: host.clock, random: Math.random });
  const wish = {
    publicIp: parseIp(us),
    publicIpv6: undefined,
    config: usualConfig,
    attrsFor: () => attrsOf(us),
  };
  const own = await settle(host.clock, manager.acquireLease(wish));
  assert.notEqual(own.key, 'subnets/10.2.5.0-24');
  assert.match((await host.registry.get('subnets/10.2.5.0-24'))?.value ?? '', /192\.168\.3\.9/);
});

test('an outage is an error, not a reason to take another subnet', async () => {
  const host = createHost();
  host.registry.disconnect(new Error('the cable is out'));
  await assert.rejects(acquire(host), error => hasCode(error, 'registry-unavailable'));
});
