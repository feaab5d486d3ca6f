import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import {
  type Envelope,
  echoRequest,
  offloaded,
  packetOf,
  tcpFlags,
  tcpPacket,
  udpPacket,
} from './inner-packets.ts';
import { judge, segmentsOf } from './strict-packet.ts';

const four: Envelope = {
  source: parseIp('10.2.14.7'),
  destination: parseIp('10.2.15.9'),
  identification: 77,
};
const six: Envelope = { source: parseIp('fd00:14::7'), destination: parseIp('fd00:15::9') };
const ports = { sourcePort: 4000, destinationPort: 80 };
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => at * 7);
const plain = new Uint8Array(10);

const written = (vnet: Uint8Array, packet: Uint8Array): Uint8Array => Uint8Array.from([...vnet, ...packet]);

/** A virtio header, field by field. */
function vnet(type: number, headerBytes: number, size: number, start: number, offset: number): Uint8Array {
  const header = new DataView(new ArrayBuffer(10));
  header.setUint16(0, (1 << 8) | type);
  for (const [index, value] of [headerBytes, size, start, offset].entries())
    header.setUint16(2 + index * 2, value, true);
  return new Uint8Array(header.buffer);
}

const sound: ReadonlyArray<readonly [string, Uint8Array, string]> = [
  ['TCP', written(plain, tcpPacket(four, { ...ports, sequence: 1 }, bytes(99))), 'right'],
  ['TCP over IPv6', written(plain, tcpPacket(six, { ...ports, sequence: 1 }, bytes(99))), 'right'],
  ['UDP', written(plain, udpPacket(four, ports, bytes(33))), 'right'],
  ['UDP over IPv6', written(plain, udpPacket(six, ports, bytes(33))), 'right'],
  ['UDP without checksum', written(plain, udpPacket(four, ports, bytes(33)).with(26, 0).with(27, 0)), 'none'],
  [
    'UDP over IPv6 without checksum',
    written(plain, udpPacket(six, ports, bytes(3)).with(46, 0).with(47, 0)),
    'wrong',
  ],
  ['echo', written(plain, echoRequest(four, 1, bytes(9))), 'right'],
  ['echo over IPv6', written(plain, echoRequest(six, 1, bytes(9))), 'right'],
  [
    'TCP that was damaged',
    written(plain, tcpPacket(four, { ...ports, sequence: 1 }, bytes(9)).with(45, 0xff)),
    'wrong',
  ],
  ['another protocol', written(plain, packetOf(four, 99, bytes(9))), 'unknown'],
];

test('a sound packet has no fault, and its checksum is told', () => {
  for (const [name, packet, checksum] of sound)
    assert.deepEqual(judge(packet, 10), { faults: [], checksum }, name);
});

test('without a virtio header the packet alone is judged', () => {
  for (const [name, packet, checksum] of sound)
    assert.deepEqual(judge(packet.subarray(10), 0), { faults: [], checksum }, name);
});

test('whichever byte of an IPv4 header is changed, it is told', () => {
  const packet = written(plain, tcpPacket(four, { ...ports, sequence: 1 }, bytes(99)));
  for (let at = 10; at < 30; at++) {
    const { faults } = judge(packet.with(at, (packet[at] ?? 0) ^ 0x11), 10);
    assert.notEqual(faults.length, 0, `byte ${at - 10}`);
  }
});

test('what no kernel should have to see is told by name', () => {
  const packet = tcpPacket(four, { ...ports, sequence: 1 }, bytes(99));
  const whole = offloaded(packet, four, 50);
  const [fine, half] = [whole.subarray(0, 10), whole.subarray(10)];
  assert.deepEqual(fine, vnet(1, 40, 50, 20, 16));
  assert.deepEqual(judge(whole, 10), { faults: [], checksum: 'offloaded' });
  const cases: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
    [written(fine, packet), /the checksum so far/],
    [written(vnet(4, 40, 50, 20, 16), half), /segmentation tcp6 of protocol 6/],
    [written(vnet(3, 40, 50, 20, 16), half), /unknown type/],
    [written(vnet(1, 20, 50, 20, 16), half), /hdr_len is 20 rather than 40/],
    [written(vnet(1, 40, 99, 20, 16), half), /segments of 99 bytes/],
    [written(vnet(1, 40, 0, 20, 16), half), /segments of 0 bytes/],
    [written(vnet(1, 40, 50, 24, 16), half), /csum_start is 24/],
    [written(vnet(1, 40, 50, 20, 6), half), /csum_offset is 6/],
    [written(fine.with(0, 0), half), /without NEEDS_CSUM/],
    [written(fine.with(0, 3), half), /virtio flags 3/],
    [written(plain, packet.subarray(0, 30)), /total length 139 of 30/],
    [written(plain, packet.with(0, 0x55)), /version 5/],
    [written(plain, tcpPacket({ ...four, ttl: 0 }, { ...ports, sequence: 1 }, bytes(9))), /TTL 0/],
    [written(plain, udpPacket({ ...six, ttl: 0 }, ports, bytes(9))), /hop limit 0/],
    [written(plain, udpPacket(six, ports, bytes(9)).subarray(0, 50)), /payload length 17 of 10/],
    [new Uint8Array(9), /no virtio header/],
    [written(fine, packetOf(four, 99, bytes(99))), /no checksum to be made/],
  ];
  for (const [bytes, fault] of cases) assert.match(judge(bytes, 10).faults.join('; '), fault);
});

test('a super-packet is cut into what would have been sent without offloads', () => {
  const { ACK, PSH, FIN, CWR } = tcpFlags;
  const sequence = 0xffff_ffe0;
  for (const envelope of [four, six]) {
    const options = bytes(12);
    const whole = tcpPacket(
      envelope,
      { ...ports, sequence, options, flags: ACK | PSH | FIN | CWR },
      bytes(250),
    );
    const segments = offloaded(whole, envelope, 100);
    assert.deepEqual(judge(segments, 10).faults, []);
    const expected = [0, 1, 2].map(index =>
      tcpPacket(
        { ...envelope, identification: 77 + index },
        {
          ...ports,
          options,
          sequence: sequence + index * 100,
          flags: ACK | (index === 0 ? CWR : 0) | (index === 2 ? PSH | FIN : 0),
        },
        bytes(250).subarray(index * 100, (index + 1) * 100),
      ),
    );
    assert.deepEqual(segmentsOf(segments, 10), expected);

    const datagrams = offloaded(udpPacket(envelope, ports, bytes(250)), envelope, 100);
    assert.deepEqual(judge(datagrams, 10).faults, []);
    assert.deepEqual(
      segmentsOf(datagrams, 10),
      [0, 1, 2].map(index =>
        udpPacket(
          { ...envelope, identification: 77 + index },
          ports,
          bytes(250).subarray(index * 100, (index + 1) * 100),
        ),
      ),
    );
  }
});
