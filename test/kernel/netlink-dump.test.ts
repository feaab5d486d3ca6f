import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { addresses } from '../../src/kernel/addresses.ts';
import { fdb } from '../../src/kernel/fdb.ts';
import { links } from '../../src/kernel/links.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { nextHops } from '../../src/kernel/next-hops.ts';
import { routes } from '../../src/kernel/routes.ts';
import { list } from '../../src/kernel/verbs.ts';
import type { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import type { Address } from '../../src/wire/address.ts';
import { linkDump } from '../../src/wire/link.ts';
import type { NetlinkRequest } from '../../src/wire/netlink.ts';
import { testScope } from '../support/leaks.ts';
import { cable, openSide } from './netlink-pair.ts';

const [v1, v0, br0, vx0] = [2, 3, 4, 5];

/** How many messages the kernel sends for a dump, before anything of ours could filter. */
async function count(socket: NetlinkSocket, request: NetlinkRequest): Promise<number> {
  let messages = 0;
  await socket.dump(
    request,
    () => {
      messages++;
    },
    () => {
      messages = 0;
    },
  );
  return messages;
}

test('the kernel itself filters a dump, so that what is not asked for is never sent', async t => {
  const { socket } = await openSide(testScope(t), 'dump', [
    ...cable,
    'link add br0 type bridge',
    'link add vx0 type vxlan id 5 dstport 8472 remote 192.0.2.200',
    'link set v1 master br0',
    'address add 192.0.2.1/24 dev v0',
    'address add 192.0.2.65/26 dev br0',
    'address add 2001:db8::1/64 dev v0 nodad',
    'route add 10.1.0.0/16 dev v0 proto 80',
    'route add 10.2.0.0/16 dev v0 proto 81 table 1000',
    'route add 10.3.0.0/16 dev v1 proto 80',
    'route add fd01::/64 dev v0 proto 80',
    'neigh add 192.0.2.9 lladdr 0a:00:00:00:00:09 dev v0',
    'neigh add 10.3.0.9 lladdr 0a:00:00:00:00:09 dev v1',
    // On v0 the report of its IPv6 address leaves a neighbour of its own accord.
    'neigh add 10.3.0.10 lladdr 0a:00:00:00:00:09 dev v1',
    'neigh add fd01::9 lladdr 0a:00:00:00:00:09 dev v1',
    'nexthop add id 1 dev v0',
    'nexthop add id 2 via 192.0.2.9 dev v0',
    'nexthop add id 3 dev v1',
  ]);
  const cases: ReadonlyArray<readonly [number, NetlinkRequest]> = [
    [5, linkDump()],
    [1, linkDump({ kind: 'vxlan' })],
    [2, linkDump({ kind: 'veth' })],
    [1, linkDump({ master: br0 })],
    [0, linkDump({ master: br0, kind: 'vxlan' })],
    [2, addresses.dump({ dev: v0 })],
    [1, addresses.dump({ dev: v0, family: 4 })],
    [1, addresses.dump({ dev: v0, family: 6 })],
    [0, addresses.dump({ dev: vx0 })],
    [1, routes.dump({ table: 1000, family: 4 })],
    [1, routes.dump({ table: 1000 })],
    [3, routes.dump({ protocol: 80 })],
    [2, routes.dump({ protocol: 80, family: 4 })],
    [1, routes.dump({ protocol: 80, family: 6 })],
    [1, routes.dump({ protocol: 80, dev: v1 })],
    [1, routes.dump({ protocol: 80, dev: v0, family: 4, table: 254 })],
    [0, routes.dump({ protocol: 80, table: 255 })],
    [3, neighbours.dump({ dev: v1 })],
    [2, neighbours.dump({ dev: v1, family: 4 })],
    [1, neighbours.dump({ dev: v1, family: 6 })],
    [0, neighbours.dump({ dev: vx0 })],
    [1, fdb.dump({ dev: vx0 })],
    [3, nextHops.dump()],
    [2, nextHops.dump({ dev: v0 })],
    [0, nextHops.dump({ dev: vx0 })],
  ];
  for (const [expected, request] of cases)
    assert.equal(await count(socket, request), expected, request.what());
  assert.equal((await links.list(socket, { kind: 'vxlan' }))[0]?.name, 'vx0');
});

/** So many addresses that the kernel sends them in several pieces. */
const stable = Array.from({ length: 1500 }, (_, number) => `10.0.${number >> 8}.${number & 255}`);
const passing = Array.from({ length: 50 }, (_, number) => `172.16.0.${number}`);
const addStable = stable.map(address => `address add ${address}/32 dev v0`);

/** The kernel tells of changes only in dumps of all devices. */
function localsOn(dev: number, found: readonly Address[]): string[] {
  return found.filter(address => address.dev === dev).map(({ local }) => local);
}

function batch(verb: 'add' | 'del'): string {
  return passing.map(address => `address ${verb} ${address}/32 dev v0\n`).join('');
}

test('a dump that the table changes under starts again, and gives what is there in the end', async t => {
  const { netns, socket } = await openSide(testScope(t), 'dump', [...cable, ...addStable]);
  let decoded = 0;
  const found = await list(socket, addresses.dump({ family: 4 }), message => {
    // Another program makes addresses while the rest of the first dump has yet to come.
    const [program = '', ...enter] = netns.enter;
    if (decoded++ === 0) execFileSync(program, [...enter, 'ip', '-batch', '-'], { input: batch('add') });
    return addresses.decode(message);
  });
  assert.ok(decoded > found.length, `${decoded} messages for ${found.length} addresses: it started again`);
  assert.deepEqual(localsOn(v0, found).toSorted(), [...stable, ...passing].toSorted());
});

test('a dump that is never left alone is an error that says so, and the socket goes on', async t => {
  const { netns, socket } = await openSide(testScope(t), 'dump', [...cable, ...addStable]);
  const [program = '', ...enter] = netns.enter;
  let fresh = true;
  let tries = 0;
  const disturbed = socket.dump(
    addresses.dump({ family: 4 }),
    () => {
      if (fresh)
        execFileSync(program, [...enter, 'ip', '-batch', '-'], {
          input: batch(tries++ % 2 === 0 ? 'add' : 'del'),
        });
      fresh = false;
    },
    () => {
      fresh = true;
    },
  );
  await assert.rejects(disturbed, {
    code: 'netlink-dump-interrupted',
    message: /ip address show was interrupted 20 times/,
  });
  assert.equal(tries, 20);
  assert.equal((await addresses.list(socket, { family: 4, dev: v0 })).length, stable.length);
});

test('while another program changes the table all the time, every list is whole and has nothing twice', async t => {
  const { netns, socket } = await openSide(testScope(t), 'dump', [...cable, ...addStable]);
  const loop = 'while :; do printf "%s" "$1" | ip -batch -; printf "%s" "$2" | ip -batch -; sleep 0.02; done';
  const changer = await netns.start(['sh', '-c', loop, 'changer', batch('add'), batch('del')]);
  const known: ReadonlySet<string> = new Set([...stable, ...passing]);
  const sizes = new Set<number>();
  for (let lists = 0; lists < 40 || sizes.size < 2; lists++) {
    const found = localsOn(v0, await addresses.list(socket, { family: 4 }));
    const unique = new Set(found);
    assert.equal(unique.size, found.length);
    assert.ok(found.every(address => known.has(address)));
    assert.ok(stable.every(address => unique.has(address)));
    sizes.add(found.length);
  }
  await changer.kill();
});

test('an error thrown while reading a dump comes out, and the socket goes on', async t => {
  const { socket } = await openSide(testScope(t), 'dump', [...cable, ...addStable]);
  const request = addresses.dump({ dev: v0 });
  for (const bad of [0, stable.length - 1]) {
    let seen = 0;
    await assert.rejects(
      socket.dump(
        request,
        () => {
          if (seen++ === bad) throw new RangeError('enough');
        },
        () => {},
      ),
      /enough/,
    );
    assert.equal((await addresses.list(socket, { dev: v0 })).length, stable.length);
  }
});
