import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipAdd, parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { hostPrefix } from '../../src/base/prefix.ts';
import { fdb } from '../../src/kernel/fdb.ts';
import { links } from '../../src/kernel/links.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { routes } from '../../src/kernel/routes.ts';
import type { NetlinkError } from '../../src/sys/netlink-error.ts';
import { linkGet } from '../../src/wire/link.ts';
import type { NetlinkRequest } from '../../src/wire/netlink.ts';
import { testScope } from '../support/leaks.ts';
import { cable, linesOf, openSide } from './netlink-pair.ts';

const [v0, vx0] = [3, 4];
const setup = [...cable, 'link add vx0 type vxlan id 5 dstport 8472', 'link set vx0 up'];
const macOf = (number: number) =>
  parseMac(
    `0a:00:00:00:${(number >> 8).toString(16).padStart(2, '0')}:${(number & 255).toString(16).padStart(2, '0')}`,
  );
const addressOf = (number: number) => ipAdd(parseIp('10.0.0.0'), BigInt(number));

test('thousands of mixed requests have one outcome each, in order, whatever is refused in between', async t => {
  const { netns, socket } = await openSide(testScope(t), 'batch', setup);
  const requests: NetlinkRequest[] = [];
  const expected: string[] = [];
  const ask = (outcome: string, request: NetlinkRequest) => {
    expected.push(outcome);
    requests.push(request);
  };
  for (let number = 0; number < 1000; number++) {
    const neighbour = { dev: v0, dst: addressOf(number), lladdr: macOf(number) };
    const entry = { dev: vx0, lladdr: macOf(number), dst: addressOf(number) };
    ask('ok', neighbours.request('add', neighbour));
    ask('ok', fdb.request('add', entry));
    if (number % 7 === 0) ask('EEXIST', neighbours.request('add', neighbour));
    if (number % 11 === 0) ask('ESRCH', routes.request('delete', { dst: hostPrefix(addressOf(number)) }));
    ask('ok', routes.request('add', { dst: hostPrefix(addressOf(number)), dev: v0 }));
    if (number % 13 === 0) ask('EEXIST', fdb.request('add', entry));
    if (number % 17 === 0) ask('ENODEV', neighbours.request('add', { ...neighbour, dev: 4242 }));
  }
  const outcomes = await socket.requestAll(requests);
  assert.equal(outcomes.length, requests.length);
  for (const [position, outcome] of outcomes.entries()) {
    const name = outcome.ok ? 'ok' : (outcome.error as NetlinkError).errnoName;
    const line = requests[position]?.what() ?? '';
    assert.equal(name, expected[position], line);
    if (!outcome.ok) assert.ok(outcome.error.message.startsWith(`${line} failed`));
  }
  assert.equal((await neighbours.list(socket, { dev: v0 })).length, 1000);
  assert.equal((await fdb.list(socket, { dev: vx0 })).length, 1000);
  assert.equal(linesOf(await netns.run('ip route show dev v0 scope link')).length, 1000);
  const removals = [...Array(1000).keys()].flatMap(number => [
    neighbours.request('delete', { dev: v0, dst: addressOf(number) }),
    fdb.request('delete', { dev: vx0, lladdr: macOf(number), dst: addressOf(number) }),
    routes.request('delete', { dst: hostPrefix(addressOf(number)), dev: v0 }),
  ]);
  assert.ok((await socket.requestAll(removals)).every(outcome => outcome.ok));
  assert.equal(await netns.run('ip neigh show'), '');
  assert.equal(await netns.run('ip route show'), '');
});

test('questions in one batch are answered each by its own answer', async t => {
  const { socket } = await openSide(testScope(t), 'batch', setup);
  const names = ['lo', 'v0', 'nosuch', 'v1', 'vx0', 'v0'];
  const outcomes = await socket.requestAll(names.map(name => linkGet({ name })));
  const answers = outcomes.map(outcome =>
    outcome.ok
      ? outcome.reply && links.decode(outcome.reply)?.name
      : (outcome.error as NetlinkError).errnoName,
  );
  assert.deepEqual(answers, ['lo', 'v0', 'ENODEV', 'v1', 'vx0', 'v0']);
});

test('batches, questions and lists that are asked for at once do not get in each other’s way', async t => {
  const { socket } = await openSide(testScope(t), 'batch', setup);
  const add = (from: number) =>
    socket.requestAll(
      [...Array(300).keys()].map(number =>
        neighbours.request('add', { dev: v0, dst: addressOf(from + number), lladdr: macOf(number) }),
      ),
    );
  const [one, all, link, other, routesNow] = await Promise.all([
    add(0),
    links.list(socket),
    links.get(socket, 'vx0'),
    add(300),
    routes.list(socket, { family: 4 }),
  ]);
  assert.ok([...one, ...other].every(outcome => outcome.ok));
  assert.deepEqual(
    all.map(({ name }) => name),
    ['lo', 'v1', 'v0', 'vx0'],
  );
  assert.equal(link?.index, vx0);
  assert.ok(routesNow.length > 0);
  assert.equal((await neighbours.list(socket, { dev: v0 })).length, 600);
});

test('no request at all has no outcome', async t => {
  const { socket } = await openSide(testScope(t), 'batch');
  assert.deepEqual(await socket.requestAll([]), []);
});
