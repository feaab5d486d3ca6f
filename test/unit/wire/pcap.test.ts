import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { WeftError } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { CaptureFileReader } from '../../../src/wire/pcap-file.ts';
import { ethernetFrame } from '../../../src/wire/pcap-link.ts';
import type { CaptureRecord } from '../../../src/wire/pcap-record.ts';
import {
  encodeInterface,
  encodePacket,
  encodeSection,
  encodeStatistics,
} from '../../../src/wire/pcapng-write.ts';
import { readBlocks, readOptions, readPackets } from '../../support/pcapng-plain.ts';
import { ip4, ip6, payload, u16, u32 } from './arbitrary.ts';
import { hex, utf8 } from './hex.ts';

function join(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** Gives the file in pieces of `size` bytes. */
function readAll(file: Uint8Array, size = file.length || 1): CaptureRecord[] {
  const reader = new CaptureFileReader();
  const records: CaptureRecord[] = [];
  for (let at = 0; at < file.length; at += size) {
    // The caller uses its memory again.
    const piece = file.slice(at, at + size);
    records.push(...reader.push(piece));
    piece.fill(0xff);
  }
  return records;
}

const section = encodeSection({ system: 'Linux', program: 'weft 1' });

const capturedInterface = fc.record(
  {
    linkType: fc.constantFrom(1, 101),
    snapBytes: fc.constantFrom(0, 256, 65_536),
    name: fc.option(fc.string({ minLength: 1, maxLength: 15, unit: 'grapheme' }), { nil: undefined }),
    filter: fc.option(fc.string({ minLength: 1, maxLength: 40 }), { nil: undefined }),
    addresses: fc.array(fc.oneof(ip4, ip6), { maxLength: 3 }),
  },
  { noNullPrototype: true },
);
const captured = fc.record(
  {
    via: fc.nat({ max: 2 }),
    timeNs: fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }),
    bytes: payload,
    beyond: fc.nat({ max: 70_000 }),
    direction: fc.constantFrom('in', 'out', undefined),
  },
  { noNullPrototype: true },
);

test('what is written is read back, in pieces of any size', () => {
  const interfaces = fc.array(capturedInterface, { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(
      interfaces,
      fc.array(captured, { maxLength: 8 }),
      fc.integer({ min: 1, max: 500 }),
      (vias, packets, size) => {
        const file = join(
          section,
          ...vias.map(encodeInterface),
          ...packets.map(({ via, beyond, ...packet }) =>
            encodePacket({ ...packet, lengthBytes: packet.bytes.length + beyond }, via),
          ),
          encodeStatistics({ received: 2 ** 40 + 1, dropped: 3 }, 1, 5n),
        );
        const records = readAll(file, size);
        assert.deepEqual(records.pop(), {
          type: 'statistics',
          statistics: { via: vias[1], received: 2 ** 40 + 1, dropped: 3 },
        });
        assert.deepEqual(
          records,
          packets.map(({ via, beyond, ...packet }) => ({
            type: 'packet',
            packet: { ...packet, via: vias[via], lengthBytes: packet.bytes.length + beyond },
          })),
        );
      },
    ),
  );
});

test('what is written has the form that an independent reader expects', () => {
  const addresses = [parseIp('192.0.2.1'), parseIp('2001:db8::1')];
  const file = Buffer.from(
    join(
      section,
      encodeInterface({ linkType: 1, snapBytes: 256, name: 'eth0', filter: 'udp dst port 8472', addresses }),
      encodePacket({ timeNs: 0x1_0000_0002n, bytes: utf8('hello'), lengthBytes: 9, direction: 'out' }, 0),
      encodePacket({ timeNs: undefined, bytes: utf8('four'), lengthBytes: 4, direction: 'in' }, 0),
      encodeStatistics({ received: 7, dropped: 2 }, 0, 1n),
    ),
  );
  const [head, via, , , counts] = readBlocks(file);
  assert.equal(head?.type, 0x0a0d0d0a);
  assert.deepEqual(head?.body.subarray(0, 16), Buffer.from('4d3c2b1a01000000ffffffffffffffff', 'hex'));
  assert.deepEqual(head && readOptions(head, 16), [
    [3, Buffer.from('Linux')],
    [4, Buffer.from('weft 1')],
  ]);
  assert.deepEqual(via?.body.subarray(0, 8), Buffer.from('0100000000010000', 'hex'));
  assert.deepEqual(via && readOptions(via, 8), [
    [2, Buffer.from('eth0')],
    [4, Buffer.from('c0000201ffffffff', 'hex')],
    [5, Buffer.from('20010db800000000000000000000000180', 'hex')],
    [9, Buffer.from([9])],
    [11, Buffer.from('\0udp dst port 8472')],
  ]);
  assert.deepEqual(readPackets(file), [
    { interfaceNumber: 0, timeNs: 0x1_0000_0002n, lengthBytes: 9, bytes: Buffer.from('hello'), flags: 2 },
    { interfaceNumber: 0, timeNs: 0n, lengthBytes: 4, bytes: Buffer.from('four'), flags: 1 },
  ]);
  assert.deepEqual(counts && readOptions(counts, 12), [
    [4, Buffer.from('0700000000000000', 'hex')],
    [7, Buffer.from('0200000000000000', 'hex')],
  ]);
});

/** Big-endian, as written on another machine: a clock of 2^-10 s with an offset, an old and a simple packet. */
const bigEndianFile = hex(
  '0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c',
  '00000001 0000002c 0001 0000 00000004', // interface, 4 bytes of each packet
  '0009 0001 8a 000000', // 2^-10 s
  '000e 0008 ffffffffffffffff', // one second earlier
  '0000 0000 0000002c',
  '0000000a 00000014 00000000 00000000 00000014', // a block of names, which is passed over
  '00000002 00000024 0000 0007 00000000 00000c00 00000004 00000009 77656674 00000024', // packet, old form
  '00000003 00000014 00000009 77656674 00000014', // simple packet of 9 bytes
);

test('files of other machines and other programs are understood', () => {
  const records = readAll(bigEndianFile, 7);
  const packets = records.map(record => (record.type === 'packet' ? record.packet : assert.fail()));
  assert.deepEqual(
    packets.map(({ timeNs, bytes, lengthBytes }) => ({ timeNs, bytes, lengthBytes })),
    [
      { timeNs: 2_000_000_000n, bytes: utf8('weft'), lengthBytes: 9 },
      { timeNs: undefined, bytes: utf8('weft'), lengthBytes: 9 },
    ],
  );
});

test('classic pcap is read in both byte orders, with micro- and nanoseconds', () => {
  const cases = [
    { head: 'd4c3b2a1 0200 0400 00000000 00000000 00000400 01000000', little: true, timeNs: 3_000_007_000n },
    { head: '4d3cb2a1 0200 0400 00000000 00000000 00000400 01000000', little: true, timeNs: 3_000_000_007n },
    { head: 'a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001', little: false, timeNs: 3_000_007_000n },
    { head: 'a1b23c4d 0002 0004 00000000 00000000 00040000 00000001', little: false, timeNs: 3_000_000_007n },
  ];
  for (const { head, little, timeNs } of cases) {
    const number = (value: number) =>
      little ? new ByteWriter(4).u32le(value).toBytes() : new ByteWriter(4).u32be(value).toBytes();
    const packet = join(number(3), number(7), number(4), number(60), utf8('weft'));
    for (const size of [1, 5, 1000]) {
      assert.deepEqual(readAll(join(hex(head), packet, packet), size), [
        ...Array.from({ length: 2 }, () => ({
          type: 'packet',
          packet: { via: { linkType: 1, snapBytes: 262_144 }, timeNs, bytes: utf8('weft'), lengthBytes: 60 },
        })),
      ]);
    }
  }
});

test('a file that is cut short gives what is whole, and says what is left', () => {
  const via = { linkType: 1, snapBytes: 0 };
  const whole = join(
    section,
    encodeInterface(via),
    encodePacket({ timeNs: 1n, bytes: utf8('one'), lengthBytes: 3 }, 0),
  );
  const half = encodePacket({ timeNs: 2n, bytes: utf8('two'), lengthBytes: 3 }, 0).subarray(0, 20);
  const reader = new CaptureFileReader();
  assert.equal([...reader.push(join(whole, half))].length, 1);
  assert.equal(reader.leftBytes, 20);
});

test('what is no capture file, or a broken one, is refused with the place', () => {
  const via = encodeInterface({ linkType: 1, snapBytes: 0 });
  const packet = encodePacket({ timeNs: 1n, bytes: utf8('weft'), lengthBytes: 4 }, 0);
  const cases: ReadonlyArray<readonly [Uint8Array, RegExp]> = [
    [utf8('PK\x03\x04 a zip file'), /at byte 0: expected pcapng or pcap, got neither/],
    [section.with(8, 0), /at byte 0: a section header without the byte-order magic/],
    [join(section, packet), new RegExp(`at byte ${section.length + 8}: there is no interface 0`)],
    [join(section, via.with(4, 3)), new RegExp(`at byte ${section.length}: no block has 3 bytes`)],
    [join(section, via.with(via.length - 4, 0)), /does not end with its length/],
    [join(section, via, packet.with(20, 0xff)), /block of type 6 is too short for what it holds/],
    [join(section, hex('06000000 ffffff7f 00000000')), /no block has 2147483647 bytes/],
    [
      hex('d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000 00000000 00000000 ffffff7f 00000000'),
      /at byte 24: no packet has 2147483647 bytes/,
    ],
  ];
  for (const [file, message] of cases) {
    assert.throws(() => readAll(file), { code: 'capture-file-malformed', message }, String(message));
  }
});

test('hostile files are read or refused, and never anything else', () => {
  const start = fc.constantFrom(
    bigEndianFile,
    join(
      section,
      encodeInterface({ linkType: 1, snapBytes: 9, name: 'eth0', addresses: [parseIp('::1')] }),
      encodePacket({ timeNs: 1n, bytes: utf8('weft!'), lengthBytes: 5, direction: 'in' }, 0),
      encodeStatistics({ received: 1, dropped: 1 }, 0, 1n),
    ),
    hex(
      'd4c3b2a1 0200 0400 00000000 00000000 00000400 01000000 00000000 00000000 04000000 00000000 77656674',
    ),
  );
  const flips = fc.array(fc.tuple(fc.nat({ max: 200 }), u16), { maxLength: 5 });
  fc.assert(
    fc.property(start, flips, u32, (file, changes, size) => {
      const bytes = Uint8Array.from(file);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      try {
        for (const record of readAll(bytes, 1 + (size % 64)))
          if (record.type === 'packet') assert.ok(record.packet.bytes.length <= bytes.length);
      } catch (error) {
        assert.ok(error instanceof WeftError && error.code === 'capture-file-malformed', String(error));
      }
    }),
    { numRuns: 3000 },
  );
});

test('packets of links without an Ethernet header are taken for what they are', () => {
  const four = hex('45000014 00000000 40000000 c0000201 c0000202');
  const six = hex('6000000000003b40', '20010db8000000000000000000000001', '20010db8000000000000000000000002');
  const cooked = hex('0000 0001 0006 020000000001 0000');
  const cooked2 = hex('0800 0000 00000002 0001 00 06 0200000000010000');
  const cases: ReadonlyArray<
    readonly [linkType: number, Uint8Array, etherType: string | undefined, Uint8Array]
  > = [
    [101, four, '0800', four],
    [101, six, '86dd', six],
    [228, four, '0800', four],
    [229, six, '86dd', six],
    [113, join(cooked, hex('0800'), four), '0800', four],
    [276, join(cooked2, four), '0800', four],
    [101, hex('00'), undefined, hex('')],
    [113, cooked, undefined, hex('')],
    [276, cooked, undefined, hex('')],
    [105, four, undefined, hex('')],
  ];
  for (const [linkType, bytes, etherType, ip] of cases) {
    const frame = ethernetFrame({
      via: { linkType, snapBytes: 0 },
      timeNs: 0n,
      bytes,
      lengthBytes: bytes.length,
    });
    const expected =
      etherType === undefined
        ? undefined
        : { bytes: join(new Uint8Array(12), hex(etherType), ip), invented: true };
    assert.deepEqual(frame, expected, `link type ${linkType}`);
  }
  const ethernet = hex('020000000002 020000000001 0800');
  assert.deepEqual(
    ethernetFrame({ via: { linkType: 1, snapBytes: 0 }, timeNs: 0n, bytes: ethernet, lengthBytes: 14 }),
    { bytes: ethernet, invented: false },
  );
});
