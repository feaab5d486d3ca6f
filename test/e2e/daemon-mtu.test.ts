/**
 *     [c] cni0 a eth0 ── switch ── eth0 b cni0 [c]       1500 on the underlay, 50 of them for the VXLAN headers
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createCluster, joinAll } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

/** IPv4 and ICMP headers. */
const headerBytes = 28;

for (const { title, backend, mtu } of [
  { title: 'the MTU of containers is 50 less than that of the underlay', backend: {}, mtu: 1450 },
  { title: 'Backend.MTU counts as the MTU of the underlay', backend: { MTU: 1400 }, mtu: 1350 },
]) {
  test(`${title}: so much passes unfragmented, and not a byte more`, async t => {
    const config = JSON.stringify({ Network: '10.2.0.0/16', Backend: { Type: 'vxlan', ...backend } });
    const cluster = await createCluster(testScope(t), underlay, { config });
    const [a, b] = await cluster.addHosts('a', 'b');
    await joinAll(cluster, [a, b]);
    assert.match((await a.subnetEnv()).text, new RegExp(`^FLANNEL_MTU=${mtu}$`, 'm'));
    const [one, other] = [await a.addContainer(), await b.addContainer()];
    for (const [from, to] of [[one, other] as const, [other, one] as const]) {
      const ping = (payloadBytes: number): Promise<string> =>
        from.netns.run(['ping', '-c2', '-i0.2', '-W5', '-M', 'do', '-s', `${payloadBytes}`, to.address]);
      assert.match(await ping(mtu - headerBytes), / 0% packet loss/);
      await assert.rejects(ping(mtu - headerBytes + 1), new RegExp(`message too long, mtu[=:] ?${mtu}`, 'i'));
    }
  });
}

test('the device refuses what containers with a larger MTU send, and tells them the right one', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  await a.netns.run('ip link set cni0 mtu 1500');
  for (const line of (await a.netns.run('ip -o link show type veth')).matchAll(/: (veth\d+)@/g)) {
    await a.netns.run(['ip', 'link', 'set', line[1] ?? '', 'mtu', '1500']);
  }
  await one.netns.run('ip link set eth0 mtu 1500');
  await assert.rejects(
    one.netns.run(['ping', '-c1', '-W5', '-M', 'do', '-s', '1423', other.address]),
    /Frag needed and DF set \(mtu = 1450\)/,
  );
  assert.match(
    await one.netns.run(['ping', '-c1', '-W5', '-M', 'do', '-s', '1422', other.address]),
    / 0% packet loss/,
  );
});
