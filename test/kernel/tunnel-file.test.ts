/**
 * A file through the tunnel, on each rung of its ladder, over a path that loses and reorders datagrams: it arrives as it
 * was, and no kernel sees a wrong checksum. `WEFT_TUNNEL_FILE_MEGABYTES=200` for a large one.
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { type Ability, abilities } from '../../src/tunnel/abilities.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, joinByCable } from '../support/netns.ts';
import { answerOf, startTunnel, type TunnelEnd, tunnelPort } from '../support/tunnel-hosts.ts';
import type { Fates, UnreliablePathSpec } from '../support/unreliable-path.ts';
import { assertTransfer, checksumErrors } from './tunnel-traffic.ts';

const fileMegabytes = Number(process.env['WEFT_TUNNEL_FILE_MEGABYTES'] ?? 5);

const pathScript = new URL('../support/unreliable-path.ts', import.meta.url).pathname;

interface UnreliablePair {
  readonly a: TunnelEnd;
  readonly b: TunnelEnd;
  /** What has become of the datagrams so far. */
  fates(): Promise<Fates>;
}

/** a (192.0.2.1) <- cable -> (.254) path (.253) <- cable -> b (192.0.2.2): each takes the path for the other. */
async function joinUnreliably(scope: Scope, without: readonly Ability[]): Promise<UnreliablePair> {
  const [a, b, path] = [
    await createNetns(scope, 'a'),
    await createNetns(scope, 'b'),
    await createNetns(scope, 'path'),
  ];
  const ends: UnreliablePathSpec['ends'] = [
    { host: '192.0.2.1', own: '192.0.2.254' },
    { host: '192.0.2.2', own: '192.0.2.253' },
  ];
  for (const [index, netns] of [a, b].entries()) {
    const { host, own } = ends[index] ?? ends[0];
    const near = { netns: path, address: `${own}/32`, device: `eth${index}` };
    await joinByCable(near, { netns, address: `${host}/24` }, { realFrames: true });
    await path.ipBatch([`route add ${host} dev eth${index} src ${own}`]);
  }
  const spec: UnreliablePathSpec = { port: tunnelPort, ends, seed: 1 };
  const relay = await path.start([process.execPath, pathScript, JSON.stringify(spec)]);
  await relay.waitForOutput(/ready/);
  return {
    a: await startTunnel(a, 1, ends[0].own, { without }),
    b: await startTunnel(b, 2, ends[1].own, { without }),
    fates: () => answerOf<Fates>(relay),
  };
}

const rungs: ReadonlyArray<readonly [string, readonly Ability[]]> = [
  ['all that there is', []],
  ...abilities.map(ability => [`all but ${ability}`, [ability]] as const),
  ['neither UDP_SEGMENT nor UDP_GRO', ['udp-segment', 'udp-gro']],
  ['nothing: one packet per system call', abilities],
];

for (const [name, without] of rungs) {
  test(`with ${name}, a file arrives whole through loss and reordering, in both families`, async t => {
    const { a, b, fates } = await joinUnreliably(testScope(t), without);
    const { abilities: used } = await a.counters();
    assert.deepEqual(
      used,
      abilities.filter(ability => !without.includes(ability)),
    );
    const startMs = performance.now();
    await assertTransfer(a.netns, b.netns, b.address, fileMegabytes);
    t.diagnostic(`${fileMegabytes} MB in ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
    await assertTransfer(b.netns, a.netns, a.address6, 3);
    const { passed, lost, heldBack } = await fates();
    t.diagnostic(`datagrams: ${passed} passed, ${lost} lost, ${heldBack} held back`);
    assert.ok(lost > 0 && heldBack > 0);
    for (const { netns } of [a, b]) assert.equal(await checksumErrors(netns), 0);
    for (const end of [a, b]) {
      const { drops } = await end.counters();
      const dropped = Object.entries(drops).filter(([reason, count]) => count > 0 && reason !== 'no-route');
      assert.deepEqual(dropped, []);
    }
  });
}
