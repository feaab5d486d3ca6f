/** Switching IPv6 forwarding on makes a host a router, which hears no router advertisements: ours must hear them. */
import assert from 'node:assert/strict';
import { closeSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { ByteWriter } from '../../src/base/bytes.ts';
import { ipToBytes, parseIp } from '../../src/base/ip.ts';
import { silentLog } from '../../src/base/log.ts';
import { enableForwarding } from '../../src/daemon/preflight.ts';
import { advertisedLinks } from '../../src/host/underlay-addresses.ts';
import { links } from '../../src/kernel/links.ts';
import { routes } from '../../src/kernel/routes.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { attachTun, makePersistentTun } from '../../src/sys/tun.ts';
import { internetChecksum, pseudoHeaderSum } from '../../src/wire/checksum.ts';
import { encodeIpv6 } from '../../src/wire/ipv6.ts';
import { mainTable } from '../../src/wire/route.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { recordingLog } from '../unit/registry/subnets.ts';

const ends = { source: parseIp('fe80::1'), destination: parseIp('ff02::1') };
const icmpv6 = 58;

/** RFC 4861 4.2: "I am a router for half an hour, and 2001:db8:PREFIX::/64 is on your link, for you to take part in". */
function routerAdvertisement(prefix: string): Uint8Array {
  const message = new ByteWriter(64)
    .u8(134)
    .u8(0)
    .u16be(0)
    .u8(64)
    .u8(0)
    .u16be(1800)
    .u32be(0)
    .u32be(0)
    // Prefix information, on-link and autonomous (4.6.2).
    .u8(3)
    .u8(4)
    .u8(64)
    .u8(0xc0)
    .u32be(86_400)
    .u32be(14_400)
    .u32be(0)
    .bytes(ipToBytes(parseIp(prefix)))
    .toBytes();
  const sum = internetChecksum(message, pseudoHeaderSum(ends, icmpv6, message.length));
  message.set([sum >> 8, sum & 0xff], 2);
  return encodeIpv6({ ...ends, protocol: icmpv6, hopLimit: 255 }, message);
}

/** An interface at which a router has been heard. */
async function advertised(netns: Netns, name: string, prefix: string, acceptRa = '1'): Promise<() => void> {
  await netns.run(['sysctl', '-q', '-w', 'net.ipv6.conf.default.accept_dad=0']);
  makePersistentTun({ name, mode: 'tun' }, netns.path);
  const tun = attachTun({ name, netns: netns.path, offloads: false });
  assert.ok(tun !== undefined);
  await netns.run(['sysctl', '-q', '-w', `net.ipv6.conf.${name}.accept_ra=${acceptRa}`]);
  await netns.ipBatch([`link set ${name} up`]);
  await eventually('a router heard', async () => {
    writeSync(tun.fd, routerAdvertisement(prefix));
    return acceptRa === '0' || (await netns.run('ip -6 route show default')).includes(name);
  });
  return () => closeSync(tun.fd);
}

async function view(netns: Netns) {
  const socket = NetlinkSocket.open({ netns: netns.path });
  try {
    return { links: await links.list(socket), routes: await routes.list(socket, { table: mainTable }) };
  } finally {
    socket.close();
  }
}

const acceptRa = (netns: Netns, name: string): Promise<string> =>
  netns.run(['sysctl', '-n', `net.ipv6.conf.${name}.accept_ra`]).then(text => text.trim());

test('the default routes that routers have advertised survive IPv6 forwarding, and that is told', async t => {
  const netns = await createNetns(testScope(t), 'host');
  const close = [
    await advertised(netns, 'up0', '2001:db8:1::'),
    await advertised(netns, 'up1', '2001:db8:2::'),
  ];
  const before = await netns.run('ip -6 route show default');
  assert.match(before, /proto ra/);
  const found = advertisedLinks(await view(netns), 'up0');
  assert.deepEqual(found, ['up0', 'up1']);
  const { log, lines } = recordingLog();
  inNetns(netns.path, () => enableForwarding(log, [4, 6], found));
  assert.equal(await netns.run(['sysctl', '-n', 'net.ipv6.conf.all.forwarding']), '1\n');
  assert.equal(await netns.run(['sysctl', '-n', 'net.ipv4.ip_forward']), '1\n');
  const routesOf = (text: string): string[] =>
    text
      .split('\n')
      .map(line => line.replace(/ expires .*/, ''))
      .sort();
  assert.deepEqual(routesOf(await netns.run('ip -6 route show default')), routesOf(before));
  for (const name of found) assert.equal(await acceptRa(netns, name), '2');
  assert.match(lines.join('\n'), /set accept_ra of up0 from 1 to 2, so that it keeps what routers advertise/);
  assert.equal(lines.filter(line => /IP forwarding was off/.test(line)).length, 2);

  const again = recordingLog();
  inNetns(netns.path, () => enableForwarding(again.log, [4, 6], found));
  assert.deepEqual(again.lines, [], 'what is on is left alone');
  for (const end of close) end();
});

test('without that, the kernel drops them: the test would notice', async t => {
  const netns = await createNetns(testScope(t), 'host');
  const close = await advertised(netns, 'up0', '2001:db8:1::');
  inNetns(netns.path, () => enableForwarding(silentLog, [6], []));
  assert.equal(await netns.run('ip -6 route show default'), '');
  close();
});

test('an interface that hears no routers is left as it is, and IPv6 too where only IPv4 is used', async t => {
  const netns = await createNetns(testScope(t), 'host');
  const close = await advertised(netns, 'up0', '2001:db8:1::', '0');
  inNetns(netns.path, () => enableForwarding(silentLog, [4], ['up0']));
  assert.equal(await netns.run(['sysctl', '-n', 'net.ipv6.conf.all.forwarding']), '0\n');
  inNetns(netns.path, () => enableForwarding(silentLog, [6], ['up0']));
  assert.equal(await acceptRa(netns, 'up0'), '0');
  close();
});
