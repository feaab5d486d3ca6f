import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { WeftError } from '../../src/base/errors.ts';
import { type IpAddress, parseIp } from '../../src/base/ip.ts';
import { type Mac, parseMac } from '../../src/base/mac.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import type { Scope } from '../../src/base/scope.ts';
import { addresses } from '../../src/kernel/addresses.ts';
import { fdb } from '../../src/kernel/fdb.ts';
import { links } from '../../src/kernel/links.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { routes } from '../../src/kernel/routes.ts';
import { type CapturedFrame, PacketSocket, type PacketSocketOptions } from '../../src/sys/packet-socket.ts';
import type { IcmpHeader } from '../../src/wire/icmp.ts';
import { decodePacket, type Layer } from '../../src/wire/packet.ts';
import { describePacket } from '../../src/wire/packet-text.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { joinByCable } from '../support/netns.ts';
import { openSide, type Side } from './netlink-pair.ts';

interface OverlayHost extends Side {
  readonly underlay: IpAddress;
  /** First address of its /24, and the VTEP's. */
  readonly subnet: IpAddress;
  readonly vtep: Mac;
}

/** The overlay's half on `own`, as `weft run` makes it: device, address, and for the peer FDB entry, neighbour, route. */
async function weave({ socket, ...own }: OverlayHost, peer: OverlayHost): Promise<void> {
  const eth0 = (await links.get(socket, 'eth0'))?.index;
  const kind = {
    kind: 'vxlan',
    vni: 1,
    dev: eth0,
    local: own.underlay,
    port: 8472,
    learning: false,
  } as const;
  await links.add(socket, { name: 'flannel.1', mac: own.vtep, mtuBytes: 1450, up: true, kind });
  const dev = (await links.get(socket, 'flannel.1'))?.index ?? 0;
  await addresses.add(socket, { dev, local: own.subnet, prefixLength: 32 });
  await fdb.replace(socket, { dev, lladdr: peer.vtep, dst: peer.underlay });
  await neighbours.replace(socket, { dev, dst: peer.subnet, lladdr: peer.vtep });
  await routes.replace(socket, {
    dst: parsePrefix(`${peer.subnet}/24`),
    gateway: peer.subnet,
    dev,
    onlink: true,
  });
}

async function openOverlay(scope: Scope): Promise<readonly [OverlayHost, OverlayHost]> {
  const host = async (number: number): Promise<OverlayHost> => ({
    ...(await openSide(scope, `host${number}`)),
    underlay: parseIp(`192.0.2.${number}`),
    subnet: parseIp(`10.2.${number}.0`),
    vtep: parseMac(`0a:00:00:00:00:0${number}`),
  });
  const [one, other] = [await host(1), await host(2)];
  await joinByCable(
    { netns: one.netns, address: '192.0.2.1/24' },
    { netns: other.netns, address: '192.0.2.2/24' },
  );
  // No network card finishes the sender's checksums: they are right where they are captured.
  for (const { netns } of [one, other]) await netns.run('ethtool -K eth0 tx-checksum-ip-generic off');
  await weave(one, other);
  await weave(other, one);
  return [one, other];
}

type CaptureLimits = Pick<PacketSocketOptions, 'snapBytes' | 'receiveBufferBytes'>;

/** Captures on `device`; frames are copied. */
async function capture(scope: Scope, { netns, socket }: Side, device: string, limits: CaptureLimits = {}) {
  const ifIndex = (await links.get(socket, device))?.index ?? 0;
  const frames: CapturedFrame[] = [];
  const ends: WeftError[] = [];
  const packetSocket = PacketSocket.open({
    ifIndex,
    netns: netns.path,
    ...limits,
    onFrame: frame => void frames.push({ ...frame, bytes: frame.bytes.slice() }),
    onEnd: error => void ends.push(error),
  });
  scope.own(`capture on ${device}`, packetSocket);
  return { frames, ends };
}

/** The layers of an echo message of `host` to `peer` on the underlay, as RFC 7348 puts them. */
function expectedLayers(
  host: OverlayHost,
  peer: OverlayHost,
  ethernet: object,
  kind: string,
  identifier: number,
) {
  const ipv4 = (source: IpAddress, destination: IpAddress, protocol: number) => ({
    layer: 'ipv4',
    source,
    destination,
    protocol,
    ttl: 64,
    moreFragments: false,
    fragmentOffsetBytes: 0,
    checksum: 'right',
  });
  return [
    { layer: 'ethernet', etherType: 0x0800, ...ethernet },
    ipv4(host.underlay, peer.underlay, 17),
    { layer: 'udp', destinationPort: 8472, checksum: 'right' },
    { layer: 'vxlan', vni: 1, groupPolicy: undefined },
    { layer: 'ethernet', source: host.vtep, destination: peer.vtep, etherType: 0x0800 },
    ipv4(host.subnet, peer.subnet, 1),
    { layer: 'icmp', family: 4, message: { kind, identifier, sequence: 1 }, checksum: 'right' },
    { layer: 'payload', malformed: undefined },
  ];
}

/** IPv6 talks of its own accord. */
function isEcho(layer: Layer): layer is IcmpHeader {
  return layer.layer === 'icmp' && layer.family === 4;
}

function isOverlay(layers: readonly Layer[]): boolean {
  return layers.some(({ layer }) => layer === 'vxlan') && layers.some(isEcho);
}

test('a ping over the overlay is, on the underlay, VXLAN in UDP 8472 with the right addresses and checksums', async t => {
  const scope = testScope(t);
  const [one, other] = await openOverlay(scope);
  const { frames } = await capture(scope, one, 'eth0');
  const identifier = 4242;
  await one.netns.run(`ping -c1 -W10 -e ${identifier} -s 100 ${other.subnet}`);
  const overlay = await eventually('an echo request and its reply', () => {
    const found = frames.map(({ bytes }) => decodePacket(bytes)).filter(isOverlay);
    return found.length >= 2 && found;
  });
  const [near, far] = [
    (await links.get(one.socket, 'eth0'))?.mac,
    (await links.get(other.socket, 'eth0'))?.mac,
  ];
  const there = expectedLayers(one, other, { source: near, destination: far }, 'echo-request', identifier);
  const back = expectedLayers(other, one, { source: far, destination: near }, 'echo-reply', identifier);
  assert.equal(overlay.length, 2);
  for (const [index, expected] of [there, back].entries()) {
    const layers = overlay[index] ?? [];
    assert.equal(layers.length, expected.length);
    assert.partialDeepStrictEqual(layers, expected);
    const last = layers.at(-1);
    assert.equal(last?.layer === 'payload' && last.bytes.length, 100);
  }
  assert.match(
    describePacket(overlay[0] ?? []),
    new RegExp(
      `^eth ${near} > ${far} \\| ip 192\\.0\\.2\\.1 > 192\\.0\\.2\\.2 ttl 64 \\| udp \\d+ > 8472 \\| vxlan vni 1 ` +
        `\\| eth ${one.vtep} > ${other.vtep} \\| ip 10\\.2\\.1\\.0 > 10\\.2\\.2\\.0 ttl 64 ` +
        `\\| icmp echo request id ${identifier} seq 1 \\| 100 bytes$`,
    ),
  );
});

test('inside the overlay device the same ping has no VXLAN around it', async t => {
  const scope = testScope(t);
  const [one, other] = await openOverlay(scope);
  const { frames } = await capture(scope, other, 'flannel.1');
  await one.netns.run(`ping -c1 -W10 ${other.subnet}`);
  const kinds = await eventually('two echo messages', () => {
    const icmp = frames.flatMap(({ bytes }) => decodePacket(bytes)).filter(isEcho);
    return icmp.length >= 2 && icmp.map(({ message }) => message.kind);
  });
  assert.deepEqual(kinds, ['echo-request', 'echo-reply']);
});

test('frames are cut to the length that is asked for, and still tell how long they were', async t => {
  const scope = testScope(t);
  const [one, other] = await openOverlay(scope);
  const { frames } = await capture(scope, one, 'eth0', { snapBytes: 60 });
  await one.netns.run(`ping -c1 -W10 -s 1000 ${other.underlay}`);
  const long = await eventually('the long frame', () => frames.find(({ lengthBytes }) => lengthBytes > 1000));
  assert.equal(long.lengthBytes, 14 + 20 + 8 + 1000);
  assert.equal(long.bytes.length, 60);
  assert.match(
    describePacket(decodePacket(long.bytes)),
    /malformed packet: this IPv4 packet takes 1028 bytes, got 46$/,
  );
});

test('a burst larger than the room for it is cut, and the capture goes on', async t => {
  const scope = testScope(t);
  const [one, other] = await openOverlay(scope);
  const { frames, ends } = await capture(scope, one, 'eth0', { receiveBufferBytes: 64 * 1024 });
  const [program = '', ...enter] = one.netns.enter;
  // Synchronous: nobody reads while it goes on.
  execFileSync(program, [...enter, 'ping', '-q', '-f', '-c', '500', '-s', '1000', '-W', '10', other.subnet]);
  await eventually('what there was room for', () => frames.length > 0);
  await one.netns.run(`ping -c1 -W10 -e 77 ${other.subnet}`);
  await eventually('the last ping', () =>
    frames.some(({ bytes }) => describePacket(decodePacket(bytes)).includes('echo reply id 77 ')),
  );
  assert.ok(frames.length < 1000, `${frames.length} of more than 1000 frames`);
  assert.deepEqual(ends, []);
});

test('a link that goes down or away ends the capture, and says so', async t => {
  const scope = testScope(t);
  const [one, other] = await openOverlay(scope);
  const down = await capture(scope, one, 'eth0');
  const away = await capture(scope, other, 'flannel.1');
  await one.netns.run('ip link set eth0 down');
  await other.netns.run('ip link delete flannel.1');
  for (const { ends } of [down, away]) {
    const [error] = await eventually('the end', () => ends.length > 0 && ends);
    assert.ok(error instanceof WeftError);
    assert.equal(error.code, 'capture-ended');
    assert.match(error.message, /^capturing on link \d+ ended: ENETDOWN \(Network is down\)$/);
    assert.match(error.remedy ?? '', /ip link show/);
    assert.equal(ends.length, 1);
  }
});

test('captures give their descriptors back, may be closed twice, and one of no link is refused', async t => {
  const scope = testScope(t);
  const [one] = await openOverlay(scope);
  const options = { netns: one.netns.path, onFrame: () => {}, onEnd: () => {} };
  const before = readdirSync('/proc/self/fd');
  for (let times = 0; times < 10; times++) {
    const packetSocket = PacketSocket.open({ ...options, ifIndex: 1 });
    packetSocket.close();
    packetSocket.close();
    assert.throws(() => PacketSocket.open({ ...options, ifIndex: 4242 }), {
      code: 'syscall-failed',
      message: /ENODEV/,
    });
    assert.throws(() => PacketSocket.open({ ...options, ifIndex: 1, netns: '/run/netns/nosuch' }), {
      code: 'netns-missing',
    });
  }
  assert.deepEqual(readdirSync('/proc/self/fd'), before);
});
