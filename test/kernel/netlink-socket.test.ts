import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { links } from '../../src/kernel/links.ts';
import { monitor } from '../../src/kernel/monitor.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { cable, openSide } from './netlink-pair.ts';

const namesOf = async (socket: NetlinkSocket) => (await links.list(socket)).map(({ name }) => name);

test('a socket belongs to the namespace it was opened in, and the thread stays where it was', async t => {
  const scope = testScope(t);
  const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  await a.ipBatch(['link add only-a type bridge']);
  await b.ipBatch(['link add only-b type bridge']);
  const home = readdirSync('/sys/class/net');
  const inA = scope.own('socket', NetlinkSocket.open({ netns: a.path }));
  const inB = scope.own(
    'socket',
    inNetns(b.path, () => NetlinkSocket.open()),
  );
  const here = scope.own('socket', NetlinkSocket.open());
  const [fromA, fromB, fromHere] = await Promise.all([namesOf(inA), namesOf(inB), namesOf(here)]);
  assert.deepEqual(fromA, ['lo', 'only-a']);
  assert.deepEqual(fromB, ['lo', 'only-b']);
  assert.deepEqual(fromHere, home);
  await links.add(inA, { name: 'more-a', kind: { kind: 'bridge' } });
  assert.match(await a.run('ip link show more-a'), /more-a/);
});

test('a socket keeps its namespace alive when the name goes', async t => {
  const { netns, socket } = await openSide(testScope(t), 'nameless', ['link add b1 type bridge']);
  await netns.run(['umount', netns.path]);
  await assert.rejects(netns.run('true'), /reassociate to namespace/);
  assert.deepEqual(await namesOf(socket), ['lo', 'b1']);
});

test('a namespace that is not there is named, and leaks nothing', () => {
  const before = descriptors();
  for (let times = 0; times < 3; times++) {
    assert.throws(() => NetlinkSocket.open({ netns: '/run/netns/nosuch' }), {
      code: 'netns-missing',
      message: 'no network namespace at /run/netns/nosuch',
      remedy: /ip netns list/,
    });
    // A file that is no namespace.
    assert.throws(() => NetlinkSocket.open({ netns: '/etc/hostname' }), {
      code: 'syscall-failed',
      message: /setns.*EINVAL/,
    });
  }
  assert.deepEqual(descriptors(), before);
});

function descriptors(): string[] {
  return readdirSync('/proc/self/fd');
}

test('sockets and monitors give their descriptors back, used or not, and may be closed twice', async t => {
  const { netns } = await openSide(testScope(t), 'close', cable);
  // The event loop's own descriptors are there from now on.
  const warm = NetlinkSocket.open({ netns: netns.path });
  await links.list(warm);
  warm.close();
  const before = descriptors();
  for (let times = 0; times < 20; times++) {
    const socket = NetlinkSocket.open({ netns: netns.path });
    const watching = monitor({ netns: netns.path, onEvent: () => {} });
    if (times % 2 === 0) await links.list(socket);
    for (const thing of [socket, watching, socket, watching]) thing.close();
  }
  {
    using socket = NetlinkSocket.open({ netns: netns.path });
    await links.list(socket);
  }
  assert.deepEqual(descriptors(), before);
});

test('close fails what is under way and what is asked for afterwards', async t => {
  const { netns } = await openSide(testScope(t), 'close', cable);
  const requests = Array.from({ length: 1000 }, (_, number) =>
    neighbours.request('add', {
      dev: 3,
      dst: parseIp(`10.0.${number >> 8}.${number & 255}`),
      lladdr: parseMac('0a:00:00:00:00:01'),
    }),
  );
  const closed = { code: 'netlink-closed', message: 'the netlink socket is closed' };
  const socket = NetlinkSocket.open({ netns: netns.path });
  const batch = socket.requestAll(requests);
  setImmediate(() => socket.close());
  await assert.rejects(batch, closed);
  await assert.rejects(socket.requestAll(requests), closed);
  await assert.rejects(links.list(socket), closed);

  // In the midst of a dump: by whoever looks at its messages.
  const other = NetlinkSocket.open({ netns: netns.path });
  let seen = 0;
  const dump = other.dump(
    neighbours.dump(),
    () => {
      seen++;
      other.close();
    },
    () => {},
  );
  await assert.rejects(dump, closed);
  assert.equal(seen, 1);
});

/** A program of one module with weft's netlink as `netlink`, run inside `netns`. */
function runModule(netns: Netns, body: string, before: readonly string[] = []): Promise<string> {
  const source = path.join(import.meta.dirname, '../../src/kernel/netlink.ts');
  const code = `import * as netlink from ${JSON.stringify(source)};\n${body}`;
  return netns.run([...before, process.execPath, '--input-type=module', '--eval', code]);
}

test('an idle socket does not keep a program alive, one with work does', async t => {
  const { netns } = await openSide(testScope(t), 'idle', cable);
  const output = await runModule(
    netns,
    `const socket = netlink.NetlinkSocket.open();
     console.log((await netlink.links.list(socket)).length);
     netlink.links.list(socket).then(all => console.log(all.length));`,
  );
  assert.equal(output, '3\n3\n');
});

test('without the privilege lists and monitors work, and a change is refused with what to do about it', async t => {
  const { netns } = await openSide(testScope(t), 'unprivileged', cable);
  const output = await runModule(
    netns,
    `const socket = netlink.NetlinkSocket.open();
     netlink.monitor({ onEvent() {} }).close();
     console.log((await netlink.links.list(socket)).length);
     const error = await netlink.links.add(socket, { name: 'b1', kind: { kind: 'bridge' } }).catch(error => error);
     console.log(error instanceof netlink.NetlinkError, error.code, error.errnoName, error.errno);
     console.log(error.message);
     console.log(error.remedy);`,
    ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all'],
  );
  assert.deepEqual(output.split('\n').slice(0, 4), [
    '3',
    'true netlink-eperm EPERM 1',
    'ip link add b1 type bridge failed: EPERM (Operation not permitted)',
    'run as root, or with CAP_NET_ADMIN in the namespace that owns this network',
  ]);
});
