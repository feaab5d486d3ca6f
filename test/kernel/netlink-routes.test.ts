import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import { routes } from '../../src/kernel/routes.ts';
import { NetlinkError } from '../../src/sys/netlink-error.ts';
import { routeText } from '../../src/wire/iproute2.ts';
import type { Route, RouteFilter } from '../../src/wire/route.ts';
import { testScope } from '../support/leaks.ts';
import { both, cable, linesOf, openPair, openSide, type Pair, sameText, sameValue } from './netlink-pair.ts';

const dev = 3;
const names: ReadonlyMap<number, string> = new Map([
  [1, 'lo'],
  [2, 'v1'],
  [3, 'v0'],
]);
const setup = [
  ...cable,
  'address add 192.0.2.1/24 dev v0',
  'address add 2001:db8::1/64 dev v0 nodad',
  'nexthop add id 7 via 192.0.2.7 dev v0',
  'nexthop add id 8 via 192.0.2.8 dev v0',
  'nexthop add id 9 group 7/8,3',
];
const dst = parsePrefix('10.2.14.0/24');
const dst6 = parsePrefix('fd02:14::/64');

/** The line of `ip route show table all` for `route`; its next hops are put behind it. */
async function listed(pair: Pair, route: Route): Promise<string | undefined> {
  const family = route.dst.includes(':') ? '-6' : '-4';
  const text = await sameText(pair, `ip ${family} route show table all`);
  const lines = linesOf(text.replaceAll(/ *\n\tnexthop/g, ' nexthop')).map(line =>
    line.replace(' pref medium', ''),
  );
  const target = route.dst.replace(/\/(32|128)$/, '').replace(/^(0\.0\.0\.0|::)\/0$/, 'default');
  return lines
    .map(line => line.replaceAll(/ +/g, ' '))
    .find(line => line.split(' ').slice(0, 2).includes(target));
}

function named(route: Route): Route<string> {
  const { multipath, dev: number, ...rest } = route;
  const nameOf = (index: number) => names.get(index) ?? `if${index}`;
  return {
    ...rest,
    ...(number === undefined ? {} : { dev: nameOf(number) }),
    ...(multipath === undefined
      ? {}
      : { multipath: multipath.map(hop => ({ ...hop, dev: nameOf(hop.dev) })) }),
  };
}

async function find(pair: Pair, { dst, table = 254 }: Route): Promise<Route | undefined> {
  const all = await sameValue(pair, socket => routes.list(socket));
  return all.find(route => route.dst === dst && route.table === table);
}

const cases: ReadonlyArray<readonly [Route, string]> = [
  [{ dst, gateway: parseIp('10.2.14.0'), dev, onlink: true }, '10.2.14.0/24 via 10.2.14.0 dev v0 onlink'],
  [{ dst, gateway: parseIp('192.0.2.2') }, '10.2.14.0/24 via 192.0.2.2 dev v0'],
  [{ dst, dev }, '10.2.14.0/24 dev v0 scope link'],
  [{ dst, dev, scope: 'global' }, '10.2.14.0/24 dev v0'],
  [{ dst: parsePrefix('10.2.14.9/32'), dev }, '10.2.14.9 dev v0 scope link'],
  [{ dst: parsePrefix('0.0.0.0/0'), gateway: parseIp('192.0.2.254') }, 'default via 192.0.2.254 dev v0'],
  [
    { dst, gateway: parseIp('192.0.2.2'), protocol: 'static', metric: 77, mtuBytes: 1400 },
    '10.2.14.0/24 via 192.0.2.2 dev v0 proto static metric 77 mtu 1400',
  ],
  [
    { dst, dev, protocol: 80, preferredSource: parseIp('192.0.2.1'), metric: 0xffffffff },
    '10.2.14.0/24 dev v0 proto 80 scope link src 192.0.2.1 metric 4294967295',
  ],
  [
    { dst, gateway: parseIp('192.0.2.2'), table: 100, tos: 0x10 },
    '10.2.14.0/24 tos 0x10 via 192.0.2.2 dev v0 table 100',
  ],
  [{ dst, gateway: parseIp('192.0.2.2'), table: 100_000 }, '10.2.14.0/24 via 192.0.2.2 dev v0 table 100000'],
  [{ dst, type: 'blackhole' }, 'blackhole 10.2.14.0/24'],
  [{ dst, type: 'unreachable', metric: 5, protocol: 'bird' }, 'unreachable 10.2.14.0/24 proto bird metric 5'],
  [{ dst, type: 'prohibit', table: 300 }, 'prohibit 10.2.14.0/24 table 300'],
  [{ dst, type: 'throw', table: 300 }, 'throw 10.2.14.0/24 table 300'],
  [{ dst, type: 'local', dev, table: 255 }, 'local 10.2.14.0/24 dev v0 table local scope host'],
  [{ dst, type: 'local', dev }, 'local 10.2.14.0/24 dev v0 scope host'],
  [{ dst: parsePrefix('10.2.14.7/32'), type: 'broadcast', dev }, 'broadcast 10.2.14.7 dev v0 scope link'],
  [{ dst, gateway: parseIp('fe80::1'), dev, onlink: true }, '10.2.14.0/24 via inet6 fe80::1 dev v0 onlink'],
  [{ dst, nextHopId: 7 }, '10.2.14.0/24 nhid 7 via 192.0.2.7 dev v0'],
  [
    { dst, nextHopId: 7, protocol: 80, mtuBytes: 1400, onlink: true },
    '10.2.14.0/24 nhid 7 via 192.0.2.7 dev v0 proto 80 mtu 1400',
  ],
  [
    { dst, nextHopId: 9 },
    '10.2.14.0/24 nhid 9 nexthop via 192.0.2.7 dev v0 weight 1 nexthop via 192.0.2.8 dev v0 weight 3',
  ],
  [
    {
      dst,
      multipath: [
        { gateway: parseIp('192.0.2.7'), dev, onlink: false, weight: 1 },
        { gateway: parseIp('10.9.9.9'), dev, onlink: true, weight: 256 },
        { gateway: parseIp('2001:db8::5'), dev, onlink: false, weight: 3 },
      ],
    },
    '10.2.14.0/24 nexthop via 192.0.2.7 dev v0 weight 1 nexthop via 10.9.9.9 dev v0 weight 256 onlink nexthop via inet6 2001:db8::5 dev v0 weight 3',
  ],
  [
    { dst: dst6, gateway: parseIp('fd02:14::'), dev, onlink: true },
    'fd02:14::/64 via fd02:14:: dev v0 metric 1024 onlink',
  ],
  [{ dst: dst6, gateway: parseIp('2001:db8::2'), dev }, 'fd02:14::/64 via 2001:db8::2 dev v0 metric 1024'],
  [
    { dst: dst6, dev, protocol: 'static', metric: 5, mtuBytes: 1400 },
    'fd02:14::/64 dev v0 proto static metric 5 mtu 1400',
  ],
  [{ dst: parsePrefix('fd02:14::9/128'), dev }, 'fd02:14::9 dev v0 metric 1024'],
  [
    { dst: dst6, dev, preferredSource: parseIp('2001:db8::1'), table: 1000 },
    'fd02:14::/64 dev v0 table 1000 src 2001:db8::1 metric 1024',
  ],
  [
    { dst: parsePrefix('::/0'), gateway: parseIp('2001:db8::2'), dev },
    'default via 2001:db8::2 dev v0 metric 1024',
  ],
  [{ dst: dst6, type: 'blackhole' }, 'blackhole fd02:14::/64 dev lo metric 1024'],
  [
    {
      dst: dst6,
      multipath: [
        { gateway: parseIp('2001:db8::7'), dev, onlink: false, weight: 1 },
        { gateway: parseIp('2001:db8::8'), dev, onlink: false, weight: 2 },
      ],
    },
    'fd02:14::/64 metric 1024 nexthop via 2001:db8::7 dev v0 weight 1 nexthop via 2001:db8::8 dev v0 weight 2',
  ],
];

test('a route is what it was told to be, is told as `ip` tells it, and its line makes the same', async t => {
  const pair = await openPair(testScope(t), setup);
  for (const [route, expected] of cases) {
    await both(pair, routes.request('add', route));
    assert.equal(await listed(pair, route), expected);
    const found = await find(pair, route);
    assert.ok(found !== undefined, expected);
    const { onlink, ...told } = route;
    assert.partialDeepStrictEqual(found, told);
    if (route.nextHopId === undefined) assert.equal(found.onlink, onlink === true);
    assert.equal(routeText(named(found)), expected);
    await both(pair, routes.request('delete', route));
    assert.equal(await listed(pair, route), undefined, expected);
    assert.equal(await find(pair, route), undefined, expected);
  }
});

test('a route that was read back is written again and deleted as it is', async t => {
  const pair = await openPair(testScope(t), setup);
  for (const [route, expected] of cases) {
    await pair.ours.socket.request(routes.request('add', route));
    const found = (await routes.list(pair.ours.socket)).find(
      one => one.dst === route.dst && (one.type !== 'unicast') === (route.type !== undefined),
    );
    assert.ok(found !== undefined, expected);
    await routes.delete(pair.ours.socket, found);
    await both(pair, routes.request('add', found));
    assert.equal(await listed(pair, route), expected);
    await both(pair, routes.request('delete', found));
  }
});

test('replacing a route twice leaves one, and changes its gateway in place', async t => {
  const pair = await openPair(testScope(t), setup);
  for (const [target, gateways] of [
    [dst, ['192.0.2.2', '192.0.2.3', '192.0.2.3']] as const,
    [dst6, ['2001:db8::2', '2001:db8::3', '2001:db8::3']] as const,
  ]) {
    for (const gateway of gateways) {
      const route = { dst: target, gateway: parseIp(gateway), dev };
      await both(pair, routes.request('replace', route));
      assert.match((await listed(pair, route)) ?? '', new RegExp(`via ${gateway} dev v0`));
      const same = (await sameValue(pair, socket => routes.list(socket))).filter(one => one.dst === target);
      assert.equal(same.length, 1);
    }
  }
});

test('what cannot be is refused by name, and the kernel says why as it says it to `ip`', async t => {
  const { netns, socket } = await openSide(testScope(t), 'routes', setup);
  await routes.add(socket, { dst, gateway: parseIp('192.0.2.2') });
  await routes.add(socket, { dst: dst6, gateway: parseIp('2001:db8::2'), dev });
  const other = parsePrefix('10.9.0.0/16');
  const refusals: ReadonlyArray<readonly ['add' | 'delete', Route, string]> = [
    ['add', { dst, gateway: parseIp('192.0.2.3') }, 'EEXIST'],
    ['add', { dst: dst6, gateway: parseIp('2001:db8::3'), dev }, 'EEXIST'],
    ['delete', { dst: other }, 'ESRCH'],
    ['delete', { dst: parsePrefix('fd09::/64') }, 'ESRCH'],
    ['delete', { dst, gateway: parseIp('192.0.2.9') }, 'ESRCH'],
    ['add', { dst: other, gateway: parseIp('10.77.0.1'), dev }, 'ENETUNREACH'],
    ['add', { dst: other, nextHopId: 12345 }, 'EINVAL'],
    ['add', { dst: other, dev: 99 }, 'ENODEV'],
    ['add', { dst: other, dev, preferredSource: parseIp('203.0.113.5') }, 'EINVAL'],
  ];
  for (const [verb, route, errnoName] of refusals) {
    const request = routes.request(verb, route);
    const refused = await socket.request(request).catch((error: unknown) => error);
    assert.ok(refused instanceof NetlinkError, String(refused));
    assert.equal(refused.errnoName, errnoName, refused.message);
    const said = await netns.run(request.what()).catch(String);
    if (route.dev !== 99) {
      assert.ok(
        said.includes(refused.kernelText === '' ? 'RTNETLINK answers' : `Error: ${refused.kernelText}`),
        said,
      );
    }
  }
});

test('the kernel tells which way it would send, and that there is none', async t => {
  const { netns, socket } = await openSide(testScope(t), 'routes', setup);
  await routes.add(socket, { dst, gateway: parseIp('192.0.2.2') });
  assert.partialDeepStrictEqual(await routes.get(socket, parseIp('10.2.14.3')), {
    dst: '10.2.14.3/32',
    gateway: '192.0.2.2',
    dev,
    preferredSource: '192.0.2.1',
    table: 254,
    cloned: true,
  });
  assert.match(
    await netns.run('ip route get 10.2.14.3'),
    /^10\.2\.14\.3 via 192\.0\.2\.2 dev v0 src 192\.0\.2\.1/,
  );
  assert.partialDeepStrictEqual(await routes.get(socket, parseIp('2001:db8::9')), {
    dev,
    dst: '2001:db8::9/128',
  });
  await assert.rejects(routes.get(socket, parseIp('203.0.113.1')), { code: 'netlink-enetunreach' });
});

test('a list is filtered by family, device, table and protocol', async t => {
  const { socket } = await openSide(testScope(t), 'routes', setup);
  const own = (change: Partial<Route>) => ({ dst, gateway: parseIp('192.0.2.2'), protocol: 80, ...change });
  await routes.add(socket, own({}));
  await routes.add(socket, own({ table: 1000 }));
  await routes.add(socket, { dst: dst6, dev, protocol: 80 });
  const count = async (filter: RouteFilter) => (await routes.list(socket, filter)).length;
  assert.equal(await count({ protocol: 80 }), 3);
  assert.equal(await count({ protocol: 80, family: 4 }), 2);
  assert.equal(await count({ protocol: 80, family: 6 }), 1);
  assert.equal(await count({ table: 1000 }), 1);
  assert.equal(await count({ protocol: 80, table: 254 }), 2);
  assert.equal(await count({ protocol: 80, dev: 1 }), 0);
  assert.equal(await count({ protocol: 80, dev, family: 4, table: 1000 }), 1);
  assert.equal(await count({ table: 1001 }), 0);
});
