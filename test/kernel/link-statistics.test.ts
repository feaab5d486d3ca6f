import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLinkStatistics } from '../../src/kernel/link-statistics.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';

interface Counted {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

test('a device’s counters are those that `ip -s link` prints; a device that is not there has none', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'counted');
  // Without IPv6 nothing speaks of its own accord (router solicitations, multicast reports), so the counters stand still when read.
  await netns.run('sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1');
  await netns.ipBatch([
    'link add v0 up type veth peer name v1',
    'link add x0 up type vxlan id 7 dstport 4789 nolearning',
    'address add 10.0.0.1/24 dev v0',
    'route add 10.7.0.0/16 dev x0',
    'neigh add 10.0.0.2 lladdr 0a:00:00:00:00:02 dev v0',
    'neigh add 10.7.0.2 lladdr 0a:00:00:00:00:07 dev x0',
    'link set v1 up',
    'link add y0 up type bridge',
  ]);
  const socket = scope.own('socket', NetlinkSocket.open({ netns: netns.path }));
  await netns.run(['sh', '-c', 'ping -n -c 3 -i 0.01 -W 0.1 10.0.0.2 || true']);
  // No FDB entry leads there: each packet is dropped.
  await netns.run(['sh', '-c', 'ping -n -c 3 -i 0.01 -W 0.1 10.7.0.2 || true']);
  await netns.ipBatch(['link set v0 down', 'link set v1 down', 'link set x0 down']);
  const found = await readLinkStatistics(socket, ['v0', 'absent', 'x0', 'v1', 'y0']);
  assert.deepEqual([...found.keys()], ['v0', 'x0', 'v1', 'y0']);
  for (const [name, { up, received, sent }] of found) {
    const [told] = JSON.parse(await netns.run(`ip -s -j link show ${name}`)) as [
      { readonly flags: readonly string[]; readonly stats64: { readonly rx: Counted; readonly tx: Counted } },
    ];
    const pick = ({ bytes, packets, errors, dropped }: Counted): Counted => ({
      bytes,
      packets,
      errors,
      dropped,
    });
    assert.deepEqual({ ...received }, pick(told.stats64.rx), name);
    assert.deepEqual({ ...sent }, pick(told.stats64.tx), name);
    assert.equal(up, told.flags.includes('UP'), name);
  }
  assert.ok((found.get('v0')?.sent.packets ?? 0) >= 3);
  assert.ok((found.get('v1')?.received.bytes ?? 0) >= 3 * 84);
  assert.ok((found.get('x0')?.sent.dropped ?? 0) >= 3);
});
