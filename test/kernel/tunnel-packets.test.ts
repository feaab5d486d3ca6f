import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PacketSocket } from '../../src/sys/packet-socket.ts';
import { abilities } from '../../src/tunnel/abilities.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import type { Netns } from '../support/netns.ts';
import { openTunnelPair } from './tunnel-pair.ts';
import { assertDatagrams, assertTransfer, checksumErrors } from './tunnel-traffic.ts';

const everyLadder = [[], abilities] as const;

/** The packets that leave the tunnel there, from now on. */
async function capture(
  scope: { own: <T extends { close(): void }>(what: string, thing: T) => T },
  netns: Netns,
) {
  const text = await netns.run('cat /sys/class/net/flannel0/ifindex').catch(() => '');
  const ifIndex = Number(text || /^(\d+):/.exec(await netns.run('ip -o link show flannel0'))?.[1]);
  const packets: Uint8Array[] = [];
  const onFrame = ({ bytes }: { bytes: Uint8Array }) => void packets.push(bytes.slice());
  scope.own('capture', PacketSocket.open({ netns: netns.path, ifIndex, onFrame, onEnd() {} }));
  return packets;
}

test('pings in fragments, with IP options and with every code point of ECN and DSCP arrive', async t => {
  const scope = testScope(t);
  for (const without of everyLadder) {
    const { a, b } = await openTunnelPair(scope, { without });
    await a.netns.run(`ping -q -c 3 -i 0.01 -W 5 -s 60000 ${b.inner4}`);
    await a.netns.run(`ping -q -c 3 -i 0.01 -W 5 -s 60000 ${b.inner6}`);
    // Record route: the tunnel's own addresses are the hops.
    const recorded = await a.netns.run(`ping -n -c 1 -W 5 -R ${b.inner4}`);
    assert.match(recorded, /RR:.*10\.5\.2\.1/s);
    const packets = await capture(scope, b.netns);
    for (const tos of [1, 2, 3, 0xb8, 0xff]) {
      packets.length = 0;
      await a.netns.run(`ping -q -c 1 -W 5 -Q ${tos} ${b.inner4}`);
      await a.netns.run(`ping -q -c 1 -W 5 -Q ${tos} ${b.inner6}`);
      const seen = await eventually('both requests', () => packets.length >= 2 && packets);
      assert.ok(seen.some(packet => packet[0] === 0x45 && packet[1] === tos));
      assert.ok(
        seen.some(packet => packet[0] === (0x60 | (tos >>> 4)) && (packet[1] ?? 0) >>> 4 === (tos & 15)),
      );
    }
  }
});

test('each end of the tunnel takes one from the time to live', async t => {
  const scope = testScope(t);
  const { a, b } = await openTunnelPair(scope);
  const packets = await capture(scope, b.netns);
  await a.netns.run(`ping -q -c 1 -W 5 -t 64 ${b.inner4}`);
  await a.netns.run(`ping -q -c 1 -W 5 -t 64 ${b.inner6}`);
  await eventually('both requests', () => packets.length >= 2);
  assert.ok(packets.some(packet => packet[0] === 0x45 && packet[8] === 62));
  assert.ok(packets.some(packet => packet[0] === 0x60 && packet[7] === 62));
});

test('a connection that uses explicit congestion notification is carried as one', async t => {
  const { a, b } = await openTunnelPair(testScope(t));
  for (const { netns } of [a, b]) await netns.run('sysctl -qw net.ipv4.tcp_ecn=1');
  await assertTransfer(a.netns, b.netns, b.inner4, 6);
  const text = await b.netns.run('cat /proc/self/net/netstat');
  const [names = [], values = []] = text
    .split('\n')
    .filter(line => line.startsWith('IpExt:'))
    .map(line => line.split(' '));
  assert.ok(Number(values[names.indexOf('InECT0Pkts')]) > 10, 'data is marked as capable of it');
  assert.equal(await checksumErrors(b.netns), 0);
});

test('packets of 9,000 bytes and of as many as a datagram holds are carried over an underlay that takes them', async t => {
  const scope = testScope(t);
  for (const [underlayMtuBytes, mtuBytes] of [
    [9000, 8972],
    [65_535, 65_507],
  ] as const) {
    for (const without of everyLadder) {
      const { a, b } = await openTunnelPair(scope, { underlayMtuBytes, mtuBytes, without });
      await assertTransfer(a.netns, b.netns, b.inner4, 6);
      await assertTransfer(a.netns, b.netns, b.inner6, 6);
      const sizes = [1, 1472, 8944, 8945, 20_000, 65_479, 65_480, 65_507];
      await assertDatagrams(a.netns, b.netns, b.inner4, sizes);
      await assertDatagrams(a.netns, b.netns, b.inner6, sizes);
      assert.equal(await checksumErrors(b.netns), 0);
    }
  }
});

test('who sends what does not pass is told: no route, no time left, too big', async t => {
  const { a, b } = await openTunnelPair(testScope(t), { mtuBytes: 1300, deviceMtuBytes: 1472 });
  const fails = async (command: string, expected: RegExp): Promise<void> => {
    await assert.rejects(a.netns.run(command), error => expected.test((error as { stdout: string }).stdout));
  };
  await fails('ping -n -c 1 -W 5 10.5.9.1', /From 10\.5\.1\.0 .*Destination Net Unreachable/);
  await fails('ping -n -c 1 -W 5 fd05:9::1', /From fd05:1:: .*Destination unreachable: No route/);
  await fails(`ping -n -c 1 -W 5 -t 1 ${b.inner4}`, /From 10\.5\.1\.0 .*Time to live exceeded/);
  await fails(`ping -n -c 1 -W 5 -t 1 ${b.inner6}`, /From fd05:1:: .*Time exceeded: Hop limit/);
  await fails(`ping -n -c 1 -W 5 -t 2 ${b.inner4}`, /From 10\.5\.2\.0 .*Time to live exceeded/);
  await fails(`ping -n -c 1 -W 5 -t 2 ${b.inner6}`, /From fd05:2:: .*Time exceeded: Hop limit/);
  await fails(
    `ping -n -c 1 -W 5 -M do -s 1400 ${b.inner4}`,
    /From 10\.5\.1\.0 .*Frag needed and DF set \(mtu = 1300\)/,
  );
  // Path MTU discovery then makes it work.
  await a.netns.run(`ping -n -c 3 -i 0.2 -W 1 -s 1400 ${b.inner6}`);
  await assertTransfer(a.netns, b.netns, b.inner4, 2);
  const { drops, icmpErrors } = a.tunnel.counters();
  assert.ok((drops['no-route'] ?? 0) >= 2 && drops['ttl-exceeded'] === 2 && (drops['too-big'] ?? 0) >= 2);
  assert.ok(icmpErrors >= 6);
  assert.equal(b.tunnel.counters().drops['ttl-exceeded'], 2);
});

test('an IPv4 packet without DF may be longer than the tunnel says: the underlay cuts it', async t => {
  const { a, b } = await openTunnelPair(testScope(t), { mtuBytes: 1300, deviceMtuBytes: 1472 });
  await a.netns.run(`ping -q -c 2 -i 0.01 -W 5 -M dont -s 1400 ${b.inner4}`);
  assert.equal(a.tunnel.counters().drops['too-big'], 0);
});

test('of many errors only so many are told', async t => {
  const { a } = await openTunnelPair(testScope(t));
  await assert.rejects(a.netns.run('ping -q -f -l 200 -c 2000 -W 1 10.5.9.1'));
  const { drops, icmpErrors } = a.tunnel.counters();
  assert.ok((drops['no-route'] ?? 0) >= 2000);
  assert.ok(icmpErrors >= 50 && icmpErrors < 1500, `${icmpErrors}`);
});
