import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { addresses } from '../../src/kernel/addresses.ts';
import { NetlinkError } from '../../src/sys/netlink-error.ts';
import type { Address } from '../../src/wire/address.ts';
import { testScope } from '../support/leaks.ts';
import { both, cable, openPair, openSide, sameText, sameValue } from './netlink-pair.ts';

const dev = 3;
const lasting = { secondary: false, deprecated: false, permanent: true, tentative: false };

test('an address is what it was told to be, and its line makes the same', async t => {
  const pair = await openPair(testScope(t), cable);
  const cases: ReadonlyArray<readonly [Address, RegExp]> = [
    [{ dev, local: parseIp('10.2.14.0'), prefixLength: 32 }, /inet 10\.2\.14\.0\/32 scope global v0/],
    [{ dev, local: parseIp('192.0.2.1'), prefixLength: 24 }, /inet 192\.0\.2\.1\/24 scope global v0/],
    [
      { dev, local: parseIp('10.0.0.1'), prefixLength: 32, peer: parseIp('10.0.0.2') },
      /inet 10\.0\.0\.1 peer 10\.0\.0\.2\/32 scope global v0/,
    ],
    [
      { dev, local: parseIp('10.0.0.1'), prefixLength: 30, peer: parseIp('10.0.9.2') },
      /inet 10\.0\.0\.1 peer 10\.0\.9\.2\/30 scope global v0/,
    ],
    [
      { dev, local: parseIp('169.254.9.9'), prefixLength: 16, scope: 'link' },
      /inet 169\.254\.9\.9\/16 scope link v0/,
    ],
    [
      { dev, local: parseIp('10.0.0.9'), prefixLength: 8, scope: 'host' },
      /inet 10\.0\.0\.9\/8 scope host v0/,
    ],
    [
      { dev, local: parseIp('10.0.0.9'), prefixLength: 8, scope: 'global' },
      /inet 10\.0\.0\.9\/8 scope global v0/,
    ],
    [{ dev, local: parseIp('2001:db8::1'), prefixLength: 64 }, /inet6 2001:db8::1\/64 scope global nodad/],
    [{ dev, local: parseIp('fd00::1'), prefixLength: 128 }, /inet6 fd00::1\/128 scope global nodad/],
    [
      { dev, local: parseIp('fd00::1'), prefixLength: 128, peer: parseIp('fd00::2') },
      /inet6 fd00::1 peer fd00::2\/128 scope global nodad/,
    ],
    [{ dev, local: parseIp('fe80::9'), prefixLength: 64 }, /inet6 fe80::9\/64 scope link nodad/],
  ];
  for (const [address, expected] of cases) {
    await both(pair, addresses.request('add', address));
    assert.match(await sameText(pair, 'ip address show dev v0'), expected);
    const [found, ...others] = await sameValue(pair, socket => addresses.list(socket, { dev }));
    const scope = address.local.startsWith('fe80') ? 'link' : (address.scope ?? 'global');
    assert.deepEqual(found, { peer: undefined, ...address, scope, flags: lasting });
    assert.deepEqual(others, []);
    await both(pair, addresses.request('delete', address));
    assert.deepEqual(await sameValue(pair, socket => addresses.list(socket, { dev })), []);
  }
});

test('what `ip` has set is read back: secondary, deprecated, passing and tentative addresses', async t => {
  const { netns, socket } = await openSide(testScope(t), 'addresses', [
    ...cable,
    'address add 10.0.0.1/24 dev v0',
    'address add 10.0.0.2/24 dev v0',
    'address add 10.1.0.1/24 dev v0 valid_lft 9000 preferred_lft 0',
    // The device is down: duplicate address detection waits for it.
    'link set v1 down',
    'link set v0 down',
    'address add fd00::1/64 dev v0',
  ]);
  const flags = new Map(
    (await addresses.list(socket, { dev })).map(address => [address.local, address.flags]),
  );
  assert.deepEqual(
    flags,
    new Map([
      [parseIp('10.0.0.1'), lasting],
      [parseIp('10.0.0.2'), { ...lasting, secondary: true }],
      [parseIp('10.1.0.1'), { ...lasting, deprecated: true, permanent: false }],
      [parseIp('fd00::1'), { ...lasting, tentative: true }],
    ]),
  );
  assert.match(
    await netns.run('ip address show dev v0'),
    /10\.1\.0\.1\/24 scope global deprecated dynamic v0/,
  );
});

test('replacing an address twice leaves one, and brings back its lifetime', async t => {
  const pair = await openPair(testScope(t), [
    ...cable,
    'address add 10.2.14.0/32 dev v0 valid_lft 9000 preferred_lft 9000',
  ]);
  const address = { dev, local: parseIp('10.2.14.0'), prefixLength: 32 };
  for (let times = 0; times < 2; times++) {
    await both(pair, addresses.request('replace', address));
    assert.match(await sameText(pair, 'ip address show dev v0'), /scope global v0\n +valid_lft forever/);
    assert.equal((await sameValue(pair, socket => addresses.list(socket, { dev }))).length, 1);
  }
});

test('an address that is there is refused by name, with the words of the kernel; so is one that is not', async t => {
  const { netns, socket } = await openSide(testScope(t), 'addresses', cable);
  for (const [local, missing] of [
    ['10.0.0.1', 'EADDRNOTAVAIL'] as const,
    ['fd00::1', 'EADDRNOTAVAIL'] as const,
  ]) {
    const address = { dev, local: parseIp(local), prefixLength: 24 };
    await addresses.add(socket, address);
    const again = await addresses.add(socket, address).catch((error: unknown) => error);
    assert.ok(again instanceof NetlinkError && again.errnoName === 'EEXIST', String(again));
    const said = await netns.run(addresses.request('add', address).what()).catch(String);
    assert.match(said, new RegExp(again.kernelText === '' ? 'File exists' : `Error: .*${again.kernelText}`));
    await addresses.delete(socket, address);
    await assert.rejects(addresses.delete(socket, address), { errnoName: missing });
  }
});

test('a list is filtered by device and family', async t => {
  const { socket } = await openSide(testScope(t), 'addresses', [
    ...cable,
    'address add 10.0.0.1/24 dev v0',
    'address add 10.0.1.1/24 dev v1',
    'address add fd00::1/64 dev v0 nodad',
  ]);
  const locals = async (filter?: Parameters<typeof addresses.list>[1]) =>
    (await addresses.list(socket, filter)).map(({ local }) => local as string);
  assert.deepEqual(await locals({ dev }), ['10.0.0.1', 'fd00::1']);
  assert.deepEqual(await locals({ dev, family: 4 }), ['10.0.0.1']);
  assert.deepEqual(await locals({ dev, family: 6 }), ['fd00::1']);
  assert.deepEqual(await locals({ family: 6 }), ['::1', 'fd00::1']);
  assert.deepEqual(await locals(), ['127.0.0.1', '10.0.1.1', '10.0.0.1', '::1', 'fd00::1']);
});
