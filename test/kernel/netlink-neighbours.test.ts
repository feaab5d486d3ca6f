import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { neighbourText } from '../../src/wire/iproute2.ts';
import type { Neighbour } from '../../src/wire/neighbour.ts';
import { testScope } from '../support/leaks.ts';
import { both, cable, linesOf, openPair, openSide, sameText, sameValue } from './netlink-pair.ts';

const dev = 3;
const lladdr = parseMac('0a:00:00:00:00:0e');

test('a neighbour is what it was told to be, is told as `ip` tells it, and its line makes the same', async t => {
  const pair = await openPair(testScope(t), cable);
  const cases: ReadonlyArray<readonly [Neighbour, string]> = [
    [{ dev, dst: parseIp('10.2.14.0'), lladdr }, '10.2.14.0 lladdr 0a:00:00:00:00:0e PERMANENT'],
    [{ dev, dst: parseIp('fd00::e'), lladdr }, 'fd00::e lladdr 0a:00:00:00:00:0e PERMANENT'],
    [
      { dev, dst: parseIp('10.2.14.0'), lladdr, state: 'permanent' },
      '10.2.14.0 lladdr 0a:00:00:00:00:0e PERMANENT',
    ],
    [{ dev, dst: parseIp('10.2.14.0'), lladdr, state: 'noarp' }, '10.2.14.0 lladdr 0a:00:00:00:00:0e NOARP'],
    [{ dev, dst: parseIp('10.2.14.0'), lladdr, state: 'stale' }, '10.2.14.0 lladdr 0a:00:00:00:00:0e STALE'],
    [
      { dev, dst: parseIp('10.2.14.0'), lladdr, state: 'reachable' },
      '10.2.14.0 lladdr 0a:00:00:00:00:0e REACHABLE',
    ],
    [{ dev, dst: parseIp('10.2.14.0'), state: 'failed' }, '10.2.14.0 FAILED'],
  ];
  for (const [neighbour, expected] of cases) {
    await both(pair, neighbours.request('add', neighbour));
    assert.deepEqual(linesOf((await sameText(pair, 'ip neigh show dev v0 nud all')).replaceAll('  ', ' ')), [
      expected,
    ]);
    const [found, ...others] = await sameValue(pair, socket => neighbours.list(socket, { dev }));
    assert.ok(found !== undefined && others.length === 0);
    assert.deepEqual(found, { state: 'permanent', lladdr: undefined, ...neighbour });
    assert.equal(neighbourText(found), expected);
    await both(pair, neighbours.request('delete', neighbour));
    // A neighbour that someone still holds stays as FAILED for a while (net/core/neighbour.c neigh_delete).
    assert.deepEqual(await sameValue(pair, socket => neighbours.list(socket, { dev })), []);
  }
});

test('replacing a neighbour twice leaves one, with the new address', async t => {
  const pair = await openPair(testScope(t), cable);
  for (const mac of ['0a:00:00:00:00:0e', '0a:00:00:00:00:0f', '0a:00:00:00:00:0f']) {
    const neighbour = { dev, dst: parseIp('10.2.14.0'), lladdr: parseMac(mac) };
    await both(pair, neighbours.request('replace', neighbour));
    assert.deepEqual(await sameValue(pair, socket => neighbours.list(socket, { dev })), [
      { ...neighbour, state: 'permanent' },
    ]);
    assert.equal(await sameText(pair, 'ip neigh show dev v0'), `10.2.14.0 lladdr ${mac} PERMANENT \n`);
  }
});

test('a neighbour that is there is refused, one that is not as well, and a list is filtered', async t => {
  const { socket } = await openSide(testScope(t), 'neighbours', [
    ...cable,
    'neigh add 10.0.0.9 lladdr 0a:00:00:00:00:09 dev v1 nud permanent',
    'neigh add fd00::9 lladdr 0a:00:00:00:00:09 dev v0 nud permanent',
  ]);
  const neighbour = { dev, dst: parseIp('10.2.14.0'), lladdr };
  await neighbours.add(socket, neighbour);
  await assert.rejects(neighbours.add(socket, neighbour), { code: 'netlink-eexist' });
  await neighbours.delete(socket, neighbour);
  await assert.rejects(neighbours.delete(socket, neighbour), { code: 'netlink-enoent' });
  const targets = async (filter?: Parameters<typeof neighbours.list>[1]) =>
    (await neighbours.list(socket, filter)).map(({ dst }) => dst as string);
  assert.deepEqual(await targets({ dev }), ['fd00::9']);
  assert.deepEqual(await targets({ dev: 2, family: 4 }), ['10.0.0.9']);
  assert.deepEqual(await targets({ dev: 2, family: 6 }), []);
  assert.deepEqual((await targets()).toSorted(), ['10.0.0.9', 'fd00::9']);
});
