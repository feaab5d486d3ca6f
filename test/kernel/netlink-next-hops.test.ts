import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import { nextHops } from '../../src/kernel/next-hops.ts';
import { routes } from '../../src/kernel/routes.ts';
import type { NextHop } from '../../src/wire/next-hop.ts';
import { testScope } from '../support/leaks.ts';
import { both, cable, openPair, openSide, sameText, sameValue } from './netlink-pair.ts';

const dev = 3;
const setup = [
  ...cable,
  'address add 192.0.2.1/24 dev v0',
  'address add 2001:db8::1/64 dev v0 nodad',
  'nexthop add id 1 via 192.0.2.7 dev v0',
  'nexthop add id 2 via 192.0.2.8 dev v0',
];

test('a next hop is what it was told to be, and its line makes the same', async t => {
  const pair = await openPair(testScope(t), setup);
  const cases: ReadonlyArray<readonly [NextHop, RegExp]> = [
    [
      { id: 77, gateway: parseIp('10.2.14.0'), dev, onlink: true },
      /^id 77 via 10\.2\.14\.0 dev v0 scope link proto boot onlink/m,
    ],
    [
      { id: 77, gateway: parseIp('192.0.2.2'), dev, protocol: 'static' },
      /^id 77 via 192\.0\.2\.2 dev v0 scope link proto static/m,
    ],
    [
      { id: 0xffffffff, gateway: parseIp('2001:db8::2'), dev, protocol: 80 },
      /^id 4294967295 via 2001:db8::2 dev v0 scope link proto 80/m,
    ],
    [{ id: 77, dev, family: 4 }, /^id 77 dev v0 scope host proto boot/m],
    [{ id: 77, dev, family: 6 }, /^id 77 dev v0 scope link proto boot/m],
    [{ id: 77, blackhole: true, family: 4 }, /^id 77 blackhole proto boot/m],
    [{ id: 77, blackhole: true, family: 6 }, /^id 77 blackhole proto boot/m],
    [
      {
        id: 77,
        group: [
          { id: 1, weight: 1 },
          { id: 2, weight: 256 },
        ],
        protocol: 80,
      },
      /^id 77 group 1\/2,256 proto 80/m,
    ],
  ];
  for (const [hop, expected] of cases) {
    await both(pair, nextHops.request('add', hop));
    assert.match(await sameText(pair, 'ip nexthop show'), expected);
    const found = (await sameValue(pair, socket => nextHops.list(socket))).find(({ id }) => id === hop.id);
    const ownDevice = hop.blackhole === true ? 1 : hop.dev;
    assert.deepEqual(found, {
      onlink: false,
      protocol: 'boot',
      ...hop,
      // The kernel hangs black holes on the loopback of their namespace.
      ...(found?.dev === undefined ? {} : { dev: ownDevice }),
    });
    await both(pair, nextHops.request('delete', hop));
    assert.equal((await sameValue(pair, socket => nextHops.list(socket))).length, 2);
  }
});

test('a replaced next hop takes its routes along; a deleted one takes them away', async t => {
  const pair = await openPair(testScope(t), setup);
  const dst = parsePrefix('10.2.14.0/24');
  const hop = (gateway: string) => ({ id: 77, gateway: parseIp(gateway), dev, onlink: true });
  await both(pair, nextHops.request('replace', hop('10.2.14.0')));
  await both(pair, routes.request('replace', { dst, nextHopId: 77 }));
  assert.equal(
    await sameText(pair, 'ip route show 10.2.14.0/24'),
    '10.2.14.0/24 nhid 77 via 10.2.14.0 dev v0 onlink \n',
  );
  for (let times = 0; times < 2; times++) {
    await both(pair, nextHops.request('replace', hop('10.2.15.0')));
    assert.equal(
      await sameText(pair, 'ip route show 10.2.14.0/24'),
      '10.2.14.0/24 nhid 77 via 10.2.15.0 dev v0 onlink \n',
    );
  }
  await both(pair, nextHops.request('delete', hop('10.2.15.0')));
  assert.equal(await sameText(pair, 'ip route show 10.2.14.0/24'), '');
});

test('a next hop that is there is refused, one that is not as well, and a list is filtered by device', async t => {
  const { socket } = await openSide(testScope(t), 'next-hops', [...setup, 'nexthop add id 3 dev v1']);
  const hop = { id: 1, gateway: parseIp('192.0.2.9'), dev };
  await assert.rejects(nextHops.add(socket, hop), { code: 'netlink-eexist' });
  await assert.rejects(nextHops.delete(socket, { id: 99 }), { code: 'netlink-enoent' });
  await assert.rejects(nextHops.add(socket, { id: 5, gateway: parseIp('10.1.1.1'), dev }), error => {
    assert.match(
      String(error),
      /ip nexthop add id 5 via 10\.1\.1\.1 dev if3 proto boot failed: \w+ .*the kernel says: .*gateway/,
    );
    return true;
  });
  const ids = async (filter?: Parameters<typeof nextHops.list>[1]) =>
    (await nextHops.list(socket, filter)).map(({ id }) => id);
  assert.deepEqual(await ids(), [1, 2, 3]);
  assert.deepEqual(await ids({ dev }), [1, 2]);
  assert.deepEqual(await ids({ dev: 2 }), [3]);
});
