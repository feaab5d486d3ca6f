/** Leases of two families, and how one comes or goes while containers hold addresses of the other. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { type IpAddress, parseIp } from '../../../src/base/ip.ts';
import { describeSubnet } from '../../../src/lease/judge.ts';
import type { Lease, LeaseAttrs, Subnet } from '../../../src/lease/lease.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { NetworkConfig } from '../../../src/lease/network-config.ts';
import type { OwnLease } from '../../../src/registry/own-lease.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { createSubnetManager } from '../../../src/registry/subnet-manager.ts';
import type { WatchedLease } from '../../../src/registry/subnet-watch.ts';
import { quiet } from './clocks.ts';
import { attrsOf, configOf, createHost, settle, subnetOf, type TestHost } from './subnets.ts';

const day = 86_400;
const v4 = configOf({ Network: '10.2.0.0/16' });
const dual = configOf({ Network: '10.2.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:2::/48' });
const v6 = configOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:2::/48' });
const [us4, us6] = [parseIp('192.168.3.1'), parseIp('2001:db8::1')];
const both = { publicIp: us4, publicIpv6: us6 };

interface Addresses {
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
}

function attrsAt(addresses: Addresses): LeaseAttrs {
  return { ...attrsOf('192.168.3.1'), ...addresses };
}

async function acquire(
  host: TestHost,
  config: NetworkConfig,
  addresses: Addresses = both,
  previousSubnet?: Subnet,
): Promise<OwnLease> {
  const attrsFor = (): LeaseAttrs => attrsAt(addresses);
  const wish = { ...addresses, config, previousSubnet, attrsFor };
  return await settle(host.clock, host.manager.acquireLease(wish));
}

async function write(host: TestHost, key: string, attrs: LeaseAttrs, ttlSeconds?: number): Promise<void> {
  await host.registry.put(key, formatLeaseAttrs(attrs), { ttlSeconds });
}

async function keys(host: TestHost): Promise<string[]> {
  return (await host.registry.list('')).entries.map(entry => entry.key);
}

const warnings = (host: TestHost): string[] => host.lines.filter(line => line.startsWith('warn'));

test('IPv6 switched on: the IPv4 subnet stays, an IPv6 one comes, in one change of the registry', async () => {
  const host = createHost();
  const before = await acquire(host, v4);
  await write(host, 'subnets/10.2.200.0-24', attrsOf('192.168.3.9'), day);
  const revision = host.store.history.revision;
  const own = await acquire(host, dual);
  assert.equal(own.how, 'kept');
  assert.equal(own.lease.subnet.ipv4, before.lease.subnet.ipv4);
  assert.match(own.key, new RegExp(`^${before.key}&fd00:2:0:[0-9a-f]+::-64$`));
  assert.equal(own.revision, revision + 1n);
  assert.deepEqual(await keys(host), ['subnets/10.2.200.0-24', own.key].sort());
  assert.deepEqual(warnings(host), []);
  assert.deepEqual(await acquire(host, dual).then(({ key }) => key), own.key, 'and stays so');
});

test('IPv6 switched off again: the IPv4 subnet stays', async () => {
  const host = createHost();
  const before = await acquire(host, dual);
  const own = await acquire(host, v4, { publicIp: us4, publicIpv6: undefined });
  assert.deepEqual(own.lease.subnet, { ipv4: before.lease.subnet.ipv4, ipv6: undefined });
  assert.deepEqual(await keys(host), [own.key]);
  assert.match(own.key, /^subnets\/10\.2\.\d+\.0-24$/);
});

test('a reservation stays one, with IPv6 and without again', async () => {
  const host = createHost();
  await write(host, 'subnets/10.2.14.0-24', attrsOf('192.168.3.1'));
  for (const config of [dual, v4]) {
    const own = await acquire(host, config);
    assert.equal(own.lease.permanent, true);
    assert.equal(own.lease.subnet.ipv4, '10.2.14.0/24');
    assert.equal(own.expiresAtMonotonicMs, undefined);
    await host.clock.advance(2 * day * 1000);
    assert.deepEqual(await keys(host), [own.key]);
  }
});

test('a network of IPv6 alone leases where no flanneld looks, and hosts are known by their IPv6 address', async () => {
  const host = createHost();
  const one = await acquire(host, v6, { publicIp: undefined, publicIpv6: us6 });
  const other = await acquire(host, v6, { publicIp: undefined, publicIpv6: parseIp('2001:db8::2') });
  const again = await acquire(host, v6, { publicIp: undefined, publicIpv6: us6 });
  assert.match(one.key, /^subnet6\/fd00:2:0:[0-9a-f]+::-64$/);
  assert.equal(again.key, one.key);
  assert.notEqual(other.key, one.key);
});

const takenInOne: Readonly<Record<string, string>> = {
  'of IPv6 alone': 'subnet6/fd00:2:0:1::-64',
  'of both families': 'subnets/10.9.1.0-24&fd00:2:0:1::-64',
  'of IPv6 alone, as flanneld writes it': 'subnets/0.0.0.0-0&fd00:2:0:1::-64',
};
for (const [what, key] of Object.entries(takenInOne)) {
  for (const [name, config] of [
    ['IPv6 alone', v6],
    ['both families', dual],
  ] as const) {
    test(`an IPv6 subnet that a lease ${what} has is not leased in a network of ${name}`, async () => {
      const host = createHost();
      await write(host, key, attrsAt({ publicIp: undefined, publicIpv6: parseIp('2001:db8::9') }), day);
      const free = { ...config, ipv6SubnetMax: parseIp('fd00:2:0:2::') };
      const own = await acquire(host, free, both, subnetOf(undefined, 'fd00:2:0:1::/64'));
      assert.equal(own.lease.subnet.ipv6, 'fd00:2:0:2::/64');
      assert.match(warnings(host).join(), /the previous subnet fd00:2:0:1::\/64 is taken by/);
      await assert.rejects(
        acquire(host, free, { publicIp: parseIp('192.168.3.2'), publicIpv6: parseIp('2001:db8::2') }),
        error => hasCode(error, 'subnets-exhausted'),
      );
    });
  }
}

test('both families are given or none: where IPv6 is used up, no IPv4 subnet is taken', async () => {
  const host = createHost();
  await write(
    host,
    'subnet6/fd00:2::-48',
    attrsAt({ publicIp: undefined, publicIpv6: parseIp('2001:db8::9') }),
  );
  await assert.rejects(acquire(host, dual), error => hasCode(error, 'subnets-exhausted'));
  assert.deepEqual(await keys(host), ['subnet6/fd00:2::-48']);
});

test('the previous subnet is leased again family by family', async () => {
  const host = createHost();
  await write(host, 'subnets/10.2.5.0-24&fd00:2:0:7::-64', attrsOf('192.168.3.9'), day);
  const own = await acquire(host, dual, both, subnetOf('10.2.9.0/24', 'fd00:2:0:7::/64'));
  assert.equal(own.how, 'previous');
  assert.equal(own.lease.subnet.ipv4, '10.2.9.0/24');
  assert.notEqual(own.lease.subnet.ipv6, 'fd00:2:0:7::/64');
  const before6 = await acquire(createHost(), dual, both, subnetOf('10.2.9.0/24'));
  assert.equal(before6.lease.subnet.ipv4, '10.2.9.0/24');
  assert.notEqual(before6.lease.subnet.ipv6, undefined);
});

test('a host that lacks an address of one family is a member by the other', async () => {
  for (const [addresses, key] of [
    [{ publicIp: us4, publicIpv6: undefined }, /^subnets\/10\.2\.\d+\.0-24$/],
    [{ publicIp: undefined, publicIpv6: us6 }, /^subnet6\/fd00:2:/],
  ] as const) {
    const host = createHost();
    const own = await acquire(host, dual, addresses);
    assert.match(own.key, key);
    const whole = await acquire(host, dual, both);
    assert.equal(whole.how, 'kept');
    assert.equal(own.lease.subnet.ipv4 ?? whole.lease.subnet.ipv4, whole.lease.subnet.ipv4);
    assert.equal(own.lease.subnet.ipv6 ?? whole.lease.subnet.ipv6, whole.lease.subnet.ipv6);
    assert.deepEqual(await keys(host), [whole.key]);
  }
});

test('a host whose address of one family is gone for a while keeps its subnet of it, and what it published', async () => {
  for (const addresses of [
    { publicIp: us4, publicIpv6: undefined },
    { publicIp: undefined, publicIpv6: us6 },
  ]) {
    const host = createHost();
    const before = await acquire(host, dual);
    const own = await acquire(host, dual, addresses);
    assert.equal(own.key, before.key);
    assert.deepEqual(own.lease.attrs, before.lease.attrs);
    assert.equal((await acquire(host, dual)).key, before.key);
  }
});

test('a network whose IPv4 range is another keeps the IPv6 subnets', async () => {
  const host = createHost();
  const before = await acquire(host, dual);
  const moved = configOf({ Network: '10.3.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:2::/48' });
  const own = await acquire(host, moved);
  assert.match(own.key, /^subnets\/10\.3\./);
  assert.equal(own.lease.subnet.ipv6, before.lease.subnet.ipv6);
  assert.deepEqual(await keys(host), [own.key]);
});

test('what flanneld leased of IPv6 alone is taken over, under a key that harms no flanneld', async () => {
  const host = createHost();
  await write(
    host,
    'subnets/0.0.0.0-0&fd00:2:0:35::-64',
    attrsAt({ publicIp: undefined, publicIpv6: us6 }),
    day,
  );
  const own = await acquire(host, v6, { publicIp: undefined, publicIpv6: us6 });
  assert.equal(own.key, 'subnet6/fd00:2:0:35::-64');
  assert.deepEqual(await keys(host), [own.key]);
});

test('what a move that was cut off left behind is removed, and the whole lease kept', async () => {
  const host = createHost();
  await write(host, 'subnets/10.2.14.0-24', attrsAt(both), day);
  await write(host, 'subnets/10.2.14.0-24&fd00:2:0:7::-64', attrsAt(both), day);
  const own = await acquire(host, dual);
  assert.equal(own.key, 'subnets/10.2.14.0-24&fd00:2:0:7::-64');
  assert.deepEqual(await keys(host), [own.key]);
});

test('an IPv6 subnet that another host was faster to take is given back, and the IPv4 one never', async () => {
  const host = createHost();
  await write(host, 'subnets/10.2.14.0-24', attrsAt(both), day);
  let raced = false;
  const { registry } = host;
  const racing: Registry = Object.create(registry, {
    move: {
      value: async (...args: Parameters<Registry['move']>) => {
        const ipv6 = args[1].slice(args[1].indexOf('&') + 1);
        if (!raced) await write(host, `subnets/10.2.99.0-24&${ipv6}`, attrsOf('192.168.3.9'), day);
        raced = true;
        return await registry.move(...args);
      },
    },
  });
  for (const method of ['get', 'list', 'put', 'delete', 'watch'] as const) {
    Object.defineProperty(racing, method, { value: registry[method].bind(registry) });
  }
  const manager = createSubnetManager({ registry: racing, clock: host.clock, random: Math.random });
  const wish = { ...both, config: dual, attrsFor: () => attrsAt(both) };
  const own = await settle(host.clock, manager.acquireLease(wish));
  assert.equal(own.lease.subnet.ipv4, '10.2.14.0/24');
  const all = await keys(host);
  assert.equal(all.length, 2, `${all}`);
  assert.equal(new Set(all.map(key => key.slice(key.indexOf('&')))).size, 2, `${all}`);
});

test('a network of IPv6 alone needs a host with an IPv6 address', async () => {
  const host = createHost();
  await assert.rejects(acquire(host, v6, { publicIp: us4, publicIpv6: undefined }), error =>
    hasCode(error, 'public-ip-missing'),
  );
});

interface Watching {
  readonly host: TestHost;
  told(): Promise<string[]>;
}

async function watching(
  config: NetworkConfig,
  own: Lease,
  body: (w: Watching) => Promise<void>,
): Promise<void> {
  const host = createHost();
  const controller = new AbortController();
  const events: WatchedLease[] = [];
  const reading = (async () => {
    for await (const event of host.manager.watchLeases({ config, own, signal: controller.signal })) {
      events.push(event);
    }
  })();
  try {
    await quiet();
    events.length = 0;
    await body({
      host,
      told: async () => {
        await quiet();
        return events.splice(0).map(outline);
      },
    });
  } finally {
    controller.abort();
    await reading;
  }
}

function outline(event: WatchedLease): string {
  switch (event.type) {
    case 'put':
    case 'refused':
      return `${event.type} ${describeSubnet(event.lease.subnet)}`;
    case 'removed': {
      const by = event.replacedBy && describeSubnet(event.replacedBy.subnet);
      return `removed ${describeSubnet(event.subnet)}${by === undefined ? '' : `, replaced by ${by}`}`;
    }
    default:
      return event.type;
  }
}

const ownLease = (ipv4?: string, ipv6?: string): Lease => ({
  subnet: subnetOf(ipv4, ipv6),
  attrs: attrsAt({
    publicIp: ipv4 === undefined ? undefined : us4,
    publicIpv6: ipv6 === undefined ? undefined : us6,
  }),
  permanent: false,
});
const peer = attrsAt({ publicIp: parseIp('192.168.3.5'), publicIpv6: parseIp('2001:db8::5') });
const peer6 = { ...peer, publicIp: undefined };

test('a peer that adds a family is told as replaced, to hosts of both families and of IPv4 alone', async () => {
  for (const [config, own] of [
    [dual, ownLease('10.2.1.0/24', 'fd00:2:0:1::/64')],
    [dual, ownLease('10.2.1.0/24')],
    [v4, ownLease('10.2.1.0/24')],
  ] as const) {
    await watching(config, own, async ({ host, told }) => {
      await write(host, 'subnets/10.2.5.0-24', peer, day);
      const expect = host.store.history.revision;
      assert.deepEqual(await told(), ['put 10.2.5.0/24']);
      const [from, to] = ['subnets/10.2.5.0-24', 'subnets/10.2.5.0-24&fd00:2:0:5::-64'];
      await host.registry.move(from, to, formatLeaseAttrs(peer), { expect });
      const whole = '10.2.5.0/24 and fd00:2:0:5::/64';
      assert.deepEqual(await told(), [`removed 10.2.5.0/24, replaced by ${whole}`, `put ${whole}`]);
      await host.registry.delete(to);
      assert.deepEqual(await told(), [`removed ${whole}`]);
    });
  }
});

test('a lease that is moved to where it must not be followed is told as gone', async () => {
  await watching(v4, ownLease('10.2.1.0/24'), async ({ host, told }) => {
    await write(host, 'subnets/10.2.5.0-24', peer, day);
    const expect = host.store.history.revision;
    await told();
    await host.registry.move('subnets/10.2.5.0-24', 'subnets/10.9.5.0-24', formatLeaseAttrs(peer), {
      expect,
    });
    assert.deepEqual(await told(), ['removed 10.2.5.0/24', 'refused 10.9.5.0/24']);
  });
});

test("leases of IPv6 alone are told where IPv6 is on, and other keys near them are nobody's business", async () => {
  const names = [
    'subnet6/fd00:2:0:5::-64',
    'subnets-old/10.2.6.0-24',
    'subnet',
    'subnet6/test',
    'subnet6/10.2.7.0-24',
    'subnets/fd00:2:0:8::-64',
  ];
  await watching(v6, ownLease(undefined, 'fd00:2:0:1::/64'), async ({ host, told }) => {
    for (const name of names) await write(host, name, peer6, day);
    assert.deepEqual(await told(), ['put fd00:2:0:5::/64']);
    assert.equal(warnings(host).length, 3, warnings(host).join('\n'));
    assert.match(
      warnings(host).join(),
      /subnet6\/test: it names no subnet; expected .* or subnet6\/fd00:10:2:3::-64/,
    );
  });
  await watching(v4, ownLease('10.2.1.0/24'), async ({ host, told }) => {
    for (const name of names) await write(host, name, peer6, day);
    assert.deepEqual(await told(), []);
    assert.equal(warnings(host).length, 1);
  });
});
