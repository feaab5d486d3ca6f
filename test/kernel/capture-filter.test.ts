import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../src/base/bytes.ts';
import type { Scope } from '../../src/base/scope.ts';
import { links } from '../../src/kernel/links.ts';
import { closeDescriptor, sendDatagramTo, socket } from '../../src/sys/libc.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { type CapturedFrame, PacketSocket, type PacketSocketOptions } from '../../src/sys/packet-socket.ts';
import type { BpfInstruction } from '../../src/wire/bpf.ts';
import { overlayFilter } from '../../src/wire/bpf-overlay.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { joinByCable } from '../support/netns.ts';
import { carriers, ethernet, frameCases, hosts, ipv4, vxlanDatagram } from '../support/overlay-frames.ts';
import { cable, openSide, type Side } from './netlink-pair.ts';

/** A cable v0 - v1 in one namespace, on which nothing comes by itself. */
async function openCable(scope: Scope) {
  const side = await openSide(scope, 'cable', cable);
  const indexOf = async (name: string) => (await links.get(side.socket, name))?.index ?? 0;
  return { side, v0: await indexOf('v0'), v1: await indexOf('v1') };
}

/** Puts frames on a link as they are (packet(7)). */
function openSender(scope: Scope, { netns }: Side, ifIndex: number): (frame: Uint8Array) => void {
  const fd = inNetns(netns.path, () => socket(17, 3 | 0x80000, 0));
  scope.defer('sender', () => closeDescriptor(fd));
  const address = new ByteWriter(20).u16le(17).u16be(0).u32le(ifIndex).zeros(12).toBytes();
  return frame => assert.equal(sendDatagramTo(fd, frame, address), frame.length);
}

interface Capture {
  readonly socket: PacketSocket;
  readonly frames: CapturedFrame[];
}

function capture(
  scope: Scope,
  { netns }: Side,
  options: Pick<PacketSocketOptions, 'ifIndex' | 'filter' | 'snapBytes' | 'receiveBufferBytes'>,
): Capture {
  const frames: CapturedFrame[] = [];
  const socket = PacketSocket.open({
    ...options,
    netns: netns.path,
    onFrame: frame => void frames.push({ ...frame, bytes: frame.bytes.slice() }),
    onEnd: error => assert.fail(error),
  });
  return { socket: scope.own('capture', socket), frames };
}

const filter = overlayFilter({ linkHeader: 'ethernet', carriers, hosts, snapBytes: 65_536 });

/** The case's number, in the sender's MAC. */
function marked({ frame }: { readonly frame: Uint8Array }, index: number): Uint8Array {
  return frame.with(11, index);
}

test('the kernel runs the filter as it is meant, on both ends of a link, and gives VLAN tags back', async t => {
  const scope = testScope(t);
  const { side, v0, v1 } = await openCable(scope);
  const near = capture(scope, side, { ifIndex: v0, filter });
  const far = capture(scope, side, { ifIndex: v1, filter });
  const send = openSender(scope, side, v0);
  const sent = frameCases.map(marked);
  for (const frame of sent) send(frame);
  const expected = frameCases.flatMap(({ taken }, index) => (taken ? [index] : []));
  for (const { socket, frames } of [near, far]) {
    socket.finish();
    assert.deepEqual(
      frames.map(({ bytes }) => frameCases[bytes[11] ?? 0]?.what),
      expected.map(index => frameCases[index]?.what),
    );
    for (const { bytes, lengthBytes } of frames) {
      const original = sent[bytes[11] ?? 0];
      assert.deepEqual(bytes, original, frameCases[bytes[11] ?? 0]?.what ?? 'no case');
      assert.equal(lengthBytes, original?.length);
    }
    assert.deepEqual(socket.counts(), { received: expected.length, dropped: 0 });
  }
  assert.ok(near.frames.every(({ direction }) => direction === 'out'));
  // The cable's other end has another MAC than the frames are for.
  assert.ok(far.frames.every(({ direction }) => direction === undefined));
});

test('nothing foreign is seen, though the link is busy while captures begin', async t => {
  const scope = testScope(t);
  const [one, other] = [await openSide(scope, 'one'), await openSide(scope, 'other')];
  await joinByCable(
    { netns: one.netns, address: '192.0.2.1/24' },
    { netns: other.netns, address: '192.0.2.2/24' },
  );
  const ifIndex = (await links.get(one.socket, 'eth0'))?.index ?? 0;
  await one.netns.start('ping -q -f 192.0.2.2');
  const all = capture(scope, one, { ifIndex });
  await eventually('a busy link', () => all.frames.length > 100);
  all.socket.close();
  for (let round = 0; round < 100; round++) {
    const { socket, frames } = capture(scope, one, { ifIndex, filter });
    socket.finish();
    assert.deepEqual(frames, [], `in round ${round}`);
  }
});

test('a frame tells when it came, and the filter cuts it', async t => {
  const scope = testScope(t);
  const { side, v0 } = await openCable(scope);
  const short = overlayFilter({ linkHeader: 'ethernet', carriers, hosts, snapBytes: 80 });
  const { socket, frames } = capture(scope, side, { ifIndex: v0, filter: short, snapBytes: 80 });
  const frame = ethernet(0x0800, ipv4(vxlanDatagram(1)));
  const beforeMs = Date.now();
  openSender(scope, side, v0)(frame);
  socket.finish();
  const [only] = frames;
  assert.deepEqual(only?.bytes, frame.subarray(0, 80));
  assert.equal(only?.lengthBytes, frame.length);
  const timeMs = Number((only?.timeNs ?? 0n) / 1_000_000n);
  assert.ok(timeMs >= beforeMs && timeMs <= Date.now(), `${timeMs} is not between ${beforeMs} and now`);
});

test('what there was no room for is counted, and what there was room for is not lost by finishing', async t => {
  const scope = testScope(t);
  const { side, v0 } = await openCable(scope);
  const { socket, frames } = capture(scope, side, { ifIndex: v0, filter, receiveBufferBytes: 64 * 1024 });
  const send = openSender(scope, side, v0);
  const frame = ethernet(0x0800, ipv4(vxlanDatagram(1)));
  // Synchronous: nobody reads while it goes on.
  for (let count = 0; count < 2000; count++) send(frame);
  const { dropped } = socket.counts();
  assert.ok(dropped > 0 && dropped < 2000, `${dropped} of 2000`);
  socket.finish();
  assert.deepEqual(socket.counts(), { received: 2000, dropped });
  assert.equal(frames.length, 2000 - dropped);
  assert.deepEqual(socket.counts(), { received: 2000, dropped }, 'also when it is closed');
});

test('a program that the kernel refuses is an error, and leaves no descriptor', async t => {
  const scope = testScope(t);
  const { side, v0 } = await openCable(scope);
  const endless: readonly BpfInstruction[] = [{ code: 0x40, jt: 0, jf: 0, k: 0 }];
  for (let times = 0; times < 3; times++) {
    assert.throws(() => capture(scope, side, { ifIndex: v0, filter: endless }), {
      code: 'syscall-failed',
      message: /attaching a filter of 1 instructions .* EINVAL/,
    });
  }
  const { frames } = capture(scope, side, { ifIndex: v0 });
  openSender(scope, side, v0)(ethernet(0x0800, ipv4(vxlanDatagram(2))));
  await eventually('a frame by the event loop, without a filter', () => frames.length === 1);
});
