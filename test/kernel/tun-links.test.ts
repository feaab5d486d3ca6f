import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { test } from 'node:test';
import { apply } from '../../src/kernel/apply.ts';
import { links } from '../../src/kernel/links.ts';
import { snapshot } from '../../src/kernel/snapshot.ts';
import { stepCommand } from '../../src/state/describe.ts';
import { diff, stepOf } from '../../src/state/diff.ts';
import { type KernelState, stateOf } from '../../src/state/kernel-object.ts';
import { attachTun } from '../../src/sys/tun.ts';
import { linkCommand } from '../../src/wire/iproute2.ts';
import type { LinkSpec } from '../../src/wire/link.ts';
import { testScope } from '../support/leaks.ts';
import { openPair, openSide, sameText } from './netlink-pair.ts';

const tun = { kind: 'tun', mode: 'tun', persistent: true } as const;
const spec = {
  name: 'flannel0',
  mtuBytes: 1472,
  txQueueLength: 4000,
  up: true,
  kind: tun,
} as const satisfies LinkSpec;

function stateWith(link: LinkSpec<string>): KernelState {
  return stateOf([{ type: 'link', value: link }]);
}

test('a TUN device is made as its lines make it', async t => {
  const pair = await openPair(testScope(t));
  const cases: ReadonlyArray<readonly [LinkSpec, RegExp]> = [
    [spec, /flannel0: <.*UP.* mtu 1472 .* qlen 4000.*tun type tun pi off vnet_hdr off persist on/s],
    [{ name: 'tap1', kind: { ...tun, mode: 'tap' } }, /tap1: .*tun type tap pi off vnet_hdr off persist on/s],
  ];
  for (const [link, expected] of cases) {
    await links.add(pair.ours.socket, link);
    await pair.theirs.netns.run(['sh', '-c', linkCommand('add', link)]);
    // A TAP's MAC is random.
    const text = (line: string): string => line.replace(/link\/ether \S+/, '');
    const shown = await pair.ours.netns.run(`ip -d link show ${link.name}`);
    assert.match(shown, expected);
    if (link.kind?.kind === 'tun' && link.kind.mode === 'tun') {
      await sameText(pair, `ip -d link show ${link.name}`);
    } else {
      assert.equal(text(shown), text(await pair.theirs.netns.run(`ip -d link show ${link.name}`)));
    }
  }
});

test('a TUN device that is there, attached to or not, is only set up', async t => {
  const { netns, socket } = await openSide(testScope(t), 'tun');
  await links.add(socket, { name: 'flannel0', kind: tun });
  const index = (await links.get(socket, 'flannel0'))?.index;
  await links.add(socket, spec);
  const attached = attachTun({ name: 'flannel0', netns: netns.path, offloads: true });
  assert.ok(attached !== undefined);
  try {
    await links.add(socket, { ...spec, mtuBytes: 1400 });
    assert.partialDeepStrictEqual(await links.get(socket, 'flannel0'), { index, mtuBytes: 1400, up: true });
    assert.throws(() => attachTun({ name: 'flannel0', netns: netns.path, offloads: true }), {
      code: 'tun-busy',
    });
  } finally {
    closeSync(attached.fd);
  }
  assert.partialDeepStrictEqual(await links.get(socket, 'flannel0'), { index, mtuBytes: 1400 });
});

test('a device of another kind is in the way, and is told of', async t => {
  const { socket } = await openSide(testScope(t), 'tun', ['link add flannel0 type bridge']);
  await assert.rejects(links.add(socket, spec), { code: 'tun-kind', message: /flannel0/ });
  const { failed } = await apply(socket, [stepOf({ verb: 'add', object: { type: 'link', value: spec } })]);
  assert.deepEqual(
    failed.map(({ error }) => error.code),
    ['tun-kind'],
  );
});

test('what a plan wants of a TUN device is applied, and is then found right whatever program is attached', async t => {
  const { netns, socket } = await openSide(testScope(t), 'tun');
  const desired = stateWith(spec);
  const settle = async (): Promise<string[]> => {
    const { state } = await snapshot(socket, ['flannel0']);
    // The kernel's own addresses and routes aside.
    const steps = diff(desired, new Map([...state].filter(([, { type }]) => type === 'link')));
    const { failed } = await apply(socket, steps);
    assert.deepEqual(failed, []);
    return steps.map(step => stepCommand(step));
  };
  assert.deepEqual(await settle(), [
    'ip tuntap add dev flannel0 mode tun && ip link set flannel0 mtu 1472 txqueuelen 4000 up',
  ]);
  assert.deepEqual(await settle(), []);
  const attached = attachTun({ name: 'flannel0', netns: netns.path, offloads: true });
  assert.ok(attached !== undefined);
  try {
    assert.partialDeepStrictEqual((await links.get(socket, 'flannel0'))?.kind, { vnetHeader: true });
    assert.deepEqual(await settle(), []);
    await netns.run('ip link set flannel0 mtu 1000 down');
    assert.deepEqual(await settle(), ['ip link set flannel0 mtu 1472 up']);
  } finally {
    closeSync(attached.fd);
  }
  // Of another mode, it cannot be changed.
  await netns.ipBatch(['link delete flannel0', 'tuntap add flannel0 mode tap']);
  assert.deepEqual(await settle(), [
    'ip link delete flannel0',
    'ip tuntap add dev flannel0 mode tun && ip link set flannel0 mtu 1472 txqueuelen 4000 up',
  ]);
  assert.deepEqual(await settle(), []);
});
