import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ability, abilities } from '../../src/tunnel/abilities.ts';
import { testScope } from '../support/leaks.ts';
import { openTunnelPair, type TunnelPairOptions } from './tunnel-pair.ts';
import { assertDatagrams, assertTransfer, checksumErrors } from './tunnel-traffic.ts';

/** From one byte over what just fits one packet to what needs many fragments. */
const sizes = [0, 1, 2, 7, 64, 511, 1000, 1443, 1444, 1445, 1471, 1472, 1473, 2944, 9000, 20_001, 65_507];

const rungs: ReadonlyArray<readonly [string, TunnelPairOptions]> = [
  ['every ability', {}],
  ...abilities.map(ability => [`every ability but ${ability}`, { without: [ability] }] as const),
  ['TUN offloads alone', { without: abilities.filter(ability => ability !== 'tun-offloads') }],
  ['neither kind of UDP offload', { without: ['udp-segment', 'udp-gro'] }],
  ['one packet per system call', { without: abilities }],
  ['every ability, over real frames', { realFrames: true }],
  ['one packet per system call, over real frames', { without: abilities, realFrames: true }],
];

for (const [what, options] of rungs) {
  test(`everything arrives as it was sent, with ${what}`, async t => {
    const { a, b } = await openTunnelPair(testScope(t), options);
    const expected = abilities.filter(ability => !options.without?.includes(ability));
    assert.deepEqual(new Set(a.tunnel.counters().abilities), new Set<Ability>(expected));
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      await assertTransfer(from.netns, to.netns, to.inner4, 6);
      await assertTransfer(from.netns, to.netns, to.inner6, 2);
      await assertDatagrams(from.netns, to.netns, to.inner4, sizes);
      await assertDatagrams(from.netns, to.netns, to.inner6, sizes);
      await from.netns.run(`ping -q -c 5 -i 0.01 -W 5 ${to.inner4}`);
      await from.netns.run(`ping -q -c 5 -i 0.01 -W 5 ${to.inner6}`);
    }
    for (const { netns, tunnel } of [a, b]) {
      assert.equal(await checksumErrors(netns), 0);
      const { drops, sent, received, segmentRefusals } = tunnel.counters();
      assert.ok(sent.packets > 1000 && received.packets > 1000 && sent.bytes > 8e6 && received.bytes > 8e6);
      assert.equal(segmentRefusals, 0);
      // The kernel's own multicast has no route.
      const { 'no-route': _, ...others } = drops;
      assert.deepEqual(
        Object.entries(others).filter(([, count]) => count > 0),
        [],
      );
    }
  });
}

test('over an IPv6 underlay everything arrives as it was sent, on the first rung and on the last', async t => {
  const scope = testScope(t);
  for (const without of [[], abilities]) {
    const { a, b } = await openTunnelPair(scope, { outer: 6, without });
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      await assertTransfer(from.netns, to.netns, to.inner6, 6);
      await assertTransfer(from.netns, to.netns, to.inner4, 2);
      await assertDatagrams(from.netns, to.netns, to.inner6, sizes);
      await assertDatagrams(from.netns, to.netns, to.inner4, sizes);
    }
    assert.equal(await checksumErrors(b.netns), 0);
  }
});

test('an underlay too small for the packets gets single datagrams, in fragments', async t => {
  const options = { underlayMtuBytes: 1400, mtuBytes: 1472, deviceMtuBytes: 1472 };
  const { a, b } = await openTunnelPair(testScope(t), options);
  await assertTransfer(a.netns, b.netns, b.inner4, 6);
  await assertTransfer(a.netns, b.netns, b.inner6, 6);
  await assertDatagrams(a.netns, b.netns, b.inner4, sizes);
  assert.equal(await checksumErrors(b.netns), 0);
  const { segmentRefusals, sent } = a.tunnel.counters();
  assert.ok(segmentRefusals > 0);
  assert.ok(segmentRefusals < sent.packets / 100, 'a refusal is remembered');
});
