/**
 * What docs/scale.md says of the kernel's tables: which of them end, and which do not. That of neighbours that are not
 * permanent does, but it is one for all namespaces: filling it here would take them from the whole machine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Family, ipAdd, parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { hostPrefix } from '../../src/base/prefix.ts';
import { fdb } from '../../src/kernel/fdb.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { nextHops } from '../../src/kernel/next-hops.ts';
import { routes } from '../../src/kernel/routes.ts';
import type { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import type { NetlinkRequest } from '../../src/wire/netlink.ts';
import { testScope } from '../support/leaks.ts';
import { cable, linesOf, openSide } from './netlink-pair.ts';

/** More than any of the kernel's defaults: 1024 neighbours, 4096 IPv6 routes. */
const peers = 6000;
/** The index of `vx0`, after `lo` and both ends of the cable. */
const vxlan = 4;
const setup = [
  ...cable,
  'link add vx0 type vxlan id 5 dstport 8472',
  'link set vx0 up',
  'address add 10.255.0.1/32 dev vx0',
  'address add fd01::1/128 dev vx0 nodad',
];
const addressOf = (number: number, family: Family) =>
  ipAdd(parseIp(family === 4 ? '10.0.0.0' : 'fd00::'), BigInt(number));
const macOf = (number: number) => {
  const hex = number.toString(16).padStart(8, '0');
  return parseMac(`0a:58:${hex.replace(/..(?=.)/g, '$&:')}`);
};

/** How the requests came out: each outcome and how often. */
async function outcomes(
  socket: NetlinkSocket,
  ask: (number: number) => NetlinkRequest,
): Promise<ReadonlyMap<string, number>> {
  const counted = new Map<string, number>();
  for (const outcome of await socket.requestAll(Array.from({ length: peers }, (_, number) => ask(number)))) {
    const name = outcome.ok ? 'ok' : outcome.error.message.replace(/^.* failed: /, '');
    counted.set(name, (counted.get(name) ?? 0) + 1);
  }
  return counted;
}

const allDone = new Map([['ok', peers]]);

test('what a peer needs is beyond the limits of the tables: permanent neighbours, FDB entries, next hops, routes', async t => {
  const { netns, socket } = await openSide(testScope(t), 'limits', setup);
  await netns.run('sysctl -qw net.ipv6.route.max_size=1000');
  const fdbOf = (number: number) =>
    fdb.request('add', { dev: vxlan, lladdr: macOf(number), dst: parseIp('192.0.2.1') });
  assert.deepEqual(await outcomes(socket, fdbOf), allDone, 'FDB entries');
  for (const family of [4, 6] as const) {
    const neighbourOf = (number: number) =>
      neighbours.request('add', { dev: vxlan, dst: addressOf(number, family), lladdr: macOf(number) });
    const idOf = (number: number) => 1 + number + family * peers;
    const hopOf = (number: number) =>
      nextHops.request('add', {
        ...{ id: idOf(number), gateway: addressOf(number, family) },
        ...{ dev: vxlan, onlink: true },
      });
    const routeOf = (number: number) =>
      routes.request('add', {
        dst: hostPrefix(addressOf(number + peers, family)),
        nextHopId: idOf(number),
      });
    assert.deepEqual(await outcomes(socket, neighbourOf), allDone, `IPv${family} neighbours`);
    assert.deepEqual(await outcomes(socket, hopOf), allDone, `IPv${family} next hops`);
    assert.deepEqual(await outcomes(socket, routeOf), allDone, `IPv${family} routes`);
  }
  const lines = linesOf(await netns.run('ip -4 neigh show dev vx0 nud permanent'));
  assert.equal(lines.length, peers, 'and nothing was thrown out for what came later');
});

test('an FDB ends only where the device was made so', async t => {
  const { netns, socket } = await openSide(testScope(t), 'maxaddress', cable);
  await netns.run('ip link add vx0 type vxlan id 5 dstport 8472 maxaddress 100');
  const entryOf = (number: number) =>
    fdb.request('add', { dev: vxlan, lladdr: macOf(number), dst: parseIp('192.0.2.1') });
  const counted = await outcomes(socket, entryOf);
  assert.equal(counted.get('ok'), 100);
  assert.deepEqual(
    [...counted.keys()].map(name => /^ok|ENOSPC/.exec(name)?.[0]),
    ['ok', 'ENOSPC'],
  );
});
