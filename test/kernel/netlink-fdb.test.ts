import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { fdb } from '../../src/kernel/fdb.ts';
import { fdbText } from '../../src/wire/iproute2.ts';
import type { FdbEntry } from '../../src/wire/neighbour.ts';
import { testScope } from '../support/leaks.ts';
import { both, cable, linesOf, openPair, openSide, sameText, sameValue } from './netlink-pair.ts';

const [v0, br0, vx0, vx6] = [3, 4, 5, 6];
const names: ReadonlyMap<number, string> = new Map([
  [v0, 'v0'],
  [br0, 'br0'],
  [vx0, 'vx0'],
  [vx6, 'vx6'],
]);
const lladdr = parseMac('0a:00:00:00:00:0e');
const setup = [
  ...cable,
  // A port keeps dynamic entries only while it forwards.
  'link add br0 address 0a:00:00:00:00:b0 type bridge forward_delay 0',
  'link set br0 up',
  'link set v0 master br0',
  'link add vx0 address 0a:00:00:00:00:c0 type vxlan id 5 dstport 8472',
  'link add vx6 address 0a:00:00:00:00:c6 type vxlan id 5 local 2001:db8::1 dstport 8472',
];

/** Multicast groups come and go by themselves. */
function own(entries: readonly FdbEntry[]): FdbEntry[] {
  return entries.filter(entry => entry.lladdr === lladdr);
}

const cases: ReadonlyArray<readonly [string, FdbEntry, string]> = [
  ['vx0', { dev: vx0, lladdr, dst: parseIp('192.0.2.14') }, 'dst 192.0.2.14 self permanent'],
  ['vx6', { dev: vx6, lladdr, dst: parseIp('2001:db8::e') }, 'dst 2001:db8::e self permanent'],
  [
    'vx0',
    { dev: vx0, lladdr, dst: parseIp('192.0.2.14'), port: 4789, vni: 77, via: v0, state: 'noarp' },
    'dst 192.0.2.14 port 4789 vni 77 via v0 self static',
  ],
  ['vx0', { dev: vx0, lladdr, dst: parseIp('192.0.2.14'), state: 'reachable' }, 'dst 192.0.2.14 self'],
  ['v0', { dev: v0, lladdr, table: 'master' }, 'master br0 permanent'],
  ['v0', { dev: v0, lladdr, table: 'master', state: 'noarp' }, 'master br0 static'],
  ['v0', { dev: v0, lladdr, table: 'master', state: 'reachable' }, 'master br0'],
];

test('an FDB entry is what it was told to be, is told as `bridge` tells it, and its line makes the same', async t => {
  const pair = await openPair(testScope(t), setup);
  for (const [name, entry, expected] of cases) {
    const line = `${lladdr} ${expected}`;
    await both(pair, fdb.request('add', entry));
    const text = await sameText(pair, `bridge fdb show dev ${name}`);
    assert.deepEqual(
      linesOf(text).filter(one => one.startsWith(lladdr)),
      [line],
    );
    const [found, ...others] = own(await sameValue(pair, socket => fdb.list(socket, { dev: entry.dev })));
    assert.ok(found !== undefined && others.length === 0);
    assert.partialDeepStrictEqual(found, { table: 'self', state: 'permanent', ...entry });
    assert.equal(found.master, entry.table === 'master' ? br0 : undefined);
    const nameOf = (index: number) => names.get(index) ?? `if${index}`;
    const named = {
      ...found,
      dev: nameOf(found.dev),
      master: found.master === undefined ? undefined : nameOf(found.master),
    };
    assert.equal(fdbText(named).replace('via if3', 'via v0'), line);
    await both(pair, fdb.request('delete', entry));
    assert.deepEqual(own(await sameValue(pair, socket => fdb.list(socket, { dev: entry.dev }))), []);
  }
});

test('an entry that was read back is deleted as it is, also the one that a default destination makes', async t => {
  const { netns, socket } = await openSide(testScope(t), 'fdb', [
    ...setup,
    'link add vx1 type vxlan id 6 remote 192.0.2.9 dev v1 dstport 4789',
  ]);
  for (const [, entry] of cases) {
    await fdb.add(socket, entry);
    const [found] = own(await fdb.list(socket, { dev: entry.dev }));
    assert.ok(found !== undefined);
    await fdb.delete(socket, found);
  }
  const [everybody] = await fdb.list(socket, { dev: 7 });
  assert.equal(everybody?.lladdr, '00:00:00:00:00:00');
  assert.equal(everybody.via, 2);
  await fdb.delete(socket, everybody);
  assert.doesNotMatch(await netns.run('bridge fdb show dev vx1'), /192\.0\.2\.9/);
});

test('replacing an entry twice leaves one, with the new destination', async t => {
  const pair = await openPair(testScope(t), setup);
  for (const dst of ['192.0.2.14', '192.0.2.15', '192.0.2.15']) {
    await both(pair, fdb.request('replace', { dev: vx0, lladdr, dst: parseIp(dst) }));
    assert.equal(await sameText(pair, 'bridge fdb show dev vx0'), `${lladdr} dst ${dst} self permanent\n`);
  }
});

test('a MAC may have several destinations: appended, listed each, deleted one by one', async t => {
  const pair = await openPair(testScope(t), setup);
  const flood = (dst: string) => ({ dev: vx0, lladdr: parseMac('00:00:00:00:00:00'), dst: parseIp(dst) });
  await both(pair, fdb.request('append', flood('192.0.2.14')));
  await both(pair, fdb.request('append', flood('192.0.2.15')));
  assert.equal(linesOf(await sameText(pair, 'bridge fdb show dev vx0')).length, 2);
  await both(pair, fdb.request('delete', flood('192.0.2.14')));
  assert.equal(
    await sameText(pair, 'bridge fdb show dev vx0'),
    '00:00:00:00:00:00 dst 192.0.2.15 self permanent\n',
  );
});

test('an entry that is there is refused, one that is not as well, and a list is filtered by device', async t => {
  const { netns, socket } = await openSide(testScope(t), 'fdb', setup);
  const entry = { dev: vx0, lladdr, dst: parseIp('192.0.2.14') };
  await fdb.add(socket, entry);
  await assert.rejects(fdb.add(socket, entry), { code: 'netlink-eexist' });
  assert.deepEqual(own(await fdb.list(socket)), own(await fdb.list(socket, { dev: vx0 })));
  assert.deepEqual(own(await fdb.list(socket, { dev: v0 })), []);
  await fdb.delete(socket, entry);
  await assert.rejects(fdb.delete(socket, entry), { code: 'netlink-enoent' });
  // Only a bridge that filters VLANs keeps one, and every other refuses: so do both of us.
  const tagged = { dev: v0, lladdr, table: 'master', vlan: 7 } as const;
  const refused = await fdb.add(socket, tagged).then(
    () => false,
    () => true,
  );
  const theirs = await netns.run(fdb.request('replace', tagged).what()).then(
    () => false,
    () => true,
  );
  assert.equal(refused, theirs);
});
