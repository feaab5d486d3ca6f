/** Packets of every length there is, from one tunnel's device to the other's, without descriptors in between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { type Envelope, offloaded, packetOf, tcpPacket, udpPacket } from '../../support/inner-packets.ts';
import { judge, segmentsOf } from '../../support/strict-packet.ts';
import { createTunnelPaths, joined } from '../../support/tunnel-paths.ts';

const hosts = { a: parseIp('192.0.2.1'), b: parseIp('192.0.2.2') };
const addresses = { ipv4: parseIp('10.2.1.0'), ipv6: parseIp('fd00:1::') };
const mostBytes = 65_535;

const a = createTunnelPaths({
  routes: ['10.2.2.0/24', 'fd00:2::/64'].map(dst => ({ dst: parsePrefix(dst), peer: hosts.b })),
  addresses,
  mtuBytes: mostBytes + 40,
});
const b = createTunnelPaths({
  routes: ['10.2.1.0/24', 'fd00:1::/64'].map(dst => ({ dst: parsePrefix(dst), peer: hosts.a })),
  addresses,
  mtuBytes: mostBytes + 40,
});

const four: Envelope = { source: parseIp('10.2.1.7'), destination: parseIp('10.2.2.7'), identification: 9 };
const six: Envelope = { source: parseIp('fd00:1::7'), destination: parseIp('fd00:2::7') };
const plain = new Uint8Array(10);
const bytes = Uint8Array.from({ length: mostBytes }, (_, at) => at ^ (at >> 8));
const other = 253;

/** What the device of b is given for what was read from that of a. */
function carried(reads: readonly Uint8Array[]): Uint8Array[] {
  const { sent } = a.transmit(reads);
  return b.receive(sent.map(datagram => ({ sender: hosts.a, bytes: datagram.bytes, segmentBytes: 0 })))
    .written;
}

test('a packet of each of the 65,536 lengths arrives as it was sent, two hops older, or is no packet', () => {
  // Each of IPv4; of IPv6 some, since they go the same ways.
  for (const [envelope, headerBytes, step] of [
    [four, 20, 1],
    [six, 40, 61],
  ] as const) {
    for (let length = 0; length <= mostBytes; length += step) {
      const payload = bytes.subarray(0, Math.max(0, length - headerBytes));
      const packet = packetOf({ ...envelope, ttl: 64 }, other, payload).subarray(0, length);
      const written = carried([joined(plain, packet)]);
      if (length < headerBytes) assert.deepEqual(written, []);
      else {
        const expected = joined(plain, packetOf({ ...envelope, ttl: 62 }, other, payload));
        assert.ok(
          written.length === 1 && Buffer.compare(written[0] ?? plain, expected) === 0,
          `${length} bytes`,
        );
      }
    }
  }
});

test('super-packets of all lengths, in segments of many, arrive with every byte in its place', () => {
  const ports = { sourcePort: 4000, destinationPort: 80 };
  for (const envelope of [four, six]) {
    for (let length = 1; length <= 65_000; length += length < 3000 ? 37 : 2003) {
      for (const segmentBytes of [1, 3, 536, 1400, 1401, 8000]) {
        if (segmentBytes >= length || length / segmentBytes > 200) continue;
        const payload = bytes.subarray(0, length);
        const tcp = { ...ports, sequence: 0xffff_f000, options: bytes.subarray(0, 12) };
        const whole = tcpPacket(envelope, tcp, payload);
        const older = tcpPacket({ ...envelope, ttl: 62 }, tcp, payload);
        equalSegments(
          carried([offloaded(whole, envelope, segmentBytes)]),
          offloaded(older, envelope, segmentBytes),
        );
        if (length / segmentBytes > 64) continue;
        const datagrams = udpPacket(envelope, ports, payload);
        const olderDatagrams = offloaded(
          udpPacket({ ...envelope, ttl: 62 }, ports, payload),
          envelope,
          segmentBytes,
        );
        equalSegments(carried([offloaded(datagrams, envelope, segmentBytes)]), olderDatagrams);
      }
    }
  }
});

test('a checksum that comes out as zero is sent in its other form by UDP, which would say "none" otherwise', () => {
  const ports = { sourcePort: 4000, destinationPort: 80 };
  for (const envelope of [four, six]) {
    const start = envelope === four ? 20 : 40;
    // The word that is missing in the sum of the second datagram makes it come out as zero.
    const payload = bytes.slice(0, 200).fill(0, 100, 102);
    const second = udpPacket(envelope, ports, payload.subarray(100));
    payload.set(second.subarray(start + 6, start + 8), 100);
    const { sent } = a.transmit([offloaded(udpPacket(envelope, ports, payload), envelope, 100)]);
    assert.deepEqual(
      sent.map(datagram => judge(datagram.bytes, 0)),
      Array.from({ length: 2 }, () => ({ faults: [], checksum: 'right' })),
    );
    assert.deepEqual([...(sent[1]?.bytes.subarray(start + 6, start + 8) ?? [])], [0xff, 0xff]);
  }
});

function equalSegments(written: readonly Uint8Array[], expected: Uint8Array): void {
  for (const write of written) assert.deepEqual(judge(write, 10).faults, []);
  const [found, wanted] = [written.flatMap(write => segmentsOf(write, 10)), segmentsOf(expected, 10)];
  assert.equal(Buffer.compare(joined(...found), joined(...wanted)), 0, `${expected.length} bytes`);
  // All of it is merged again: 64 KiB go in one write, and of datagrams 64.
  assert.equal(written.length, 1);
}
