import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Arena, createArena } from '../../../src/tunnel/arena.ts';
import { Coalescer } from '../../../src/tunnel/coalesce.ts';
import { Outgoing } from '../../../src/tunnel/outgoing.ts';
import type { Pieces } from '../../../src/tunnel/pieces.ts';
import { Segmenter } from '../../../src/tunnel/segment.ts';
import { judge, segmentsOf } from '../../support/strict-packet.ts';

const [vnetAt, packetAt, headersAt, segmentsAt] = [0, 64, 0x20000, 0x40000];
const vnetBytes = 10;

/** A super-packet as the kernel hands it over: a virtio header, then IPv4 or IPv6, TCP or UDP. */
interface Super {
  readonly isSix: boolean;
  readonly isTcp: boolean;
  readonly optionBytes: number;
  readonly segmentBytes: number;
  readonly payload: Uint8Array;
  readonly flags: number;
  readonly sequence: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly tos: number;
}

const [FIN, PSH, ACK, ECE, CWR] = [1, 8, 16, 64, 128];

const supers: fc.Arbitrary<Super> = fc
  .record({
    isSix: fc.boolean(),
    isTcp: fc.boolean(),
    optionBytes: fc.constantFrom(0, 4, 12, 40),
    segmentBytes: fc.oneof(fc.integer({ min: 1, max: 1500 }), fc.integer({ min: 1400, max: 9000 })),
    segments: fc.double({ min: 1.01, max: 60, noNaN: true }),
    flags: fc.constantFrom(ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN | ECE),
    sequence: fc.oneof(fc.nat(0xffffffff), fc.constant(0xfffffff0)),
    identification: fc.oneof(fc.nat(0xffff), fc.constant(0xfff8)),
    dontFragment: fc.boolean(),
    tos: fc.nat(255),
    seed: fc.nat(255),
  })
  .map(({ segments, seed, ...rest }) => {
    const length = Math.min(
      Math.max(rest.segmentBytes + 1, Math.floor(rest.segmentBytes * segments)),
      65_000,
    );
    return { ...rest, payload: Uint8Array.from({ length }, (_, at) => (at * 7 + seed) ^ (at >> 5)) };
  });

function headerBytesOf({ isSix, isTcp, optionBytes }: Super): number {
  return (isSix ? 40 : 20) + (isTcp ? 20 + optionBytes : 8);
}

function encode(of: Super): Uint8Array {
  const ipBytes = of.isSix ? 40 : 20;
  const headerBytes = headerBytesOf(of);
  const bytes = new Uint8Array(vnetBytes + headerBytes + of.payload.length);
  const view = new DataView(bytes.buffer, vnetBytes);
  const vnet = new DataView(bytes.buffer);
  const length = headerBytes + of.payload.length;
  bytes.set([1, of.isTcp ? (of.isSix ? 4 : 1) : 5]);
  for (const [at, value] of [
    [2, headerBytes],
    [4, of.segmentBytes],
    [6, ipBytes],
    [8, of.isTcp ? 16 : 6],
  ] as const) {
    vnet.setUint16(at, value, true);
  }
  const protocol = of.isTcp ? 6 : 17;
  if (of.isSix) {
    view.setUint32(0, (0x60000000 | (of.tos << 20) | 0x12345) >>> 0);
    view.setUint16(4, length - 40);
    bytes.set([protocol, 64], vnetBytes + 6);
    for (let at = 8; at < 40; at++) view.setUint8(at, at * 3);
  } else {
    bytes.set([0x45, of.tos], vnetBytes);
    view.setUint16(2, length);
    view.setUint16(4, of.identification);
    view.setUint16(6, of.dontFragment ? 0x4000 : 0);
    bytes.set([64, protocol, 0, 0, 10, 2, 1, 5, 10, 2, 2, 6], vnetBytes + 8);
    view.setUint16(10, ~slowSum(bytes.subarray(vnetBytes, vnetBytes + 20)));
  }
  view.setUint16(ipBytes, 1234);
  view.setUint16(ipBytes + 2, 80);
  if (of.isTcp) {
    view.setUint32(ipBytes + 4, of.sequence);
    view.setUint32(ipBytes + 8, 0xabcdef01);
    bytes.set([((20 + of.optionBytes) / 4) << 4, of.flags, 0x12, 0x34], vnetBytes + ipBytes + 12);
    bytes.fill(1, vnetBytes + ipBytes + 20, vnetBytes + headerBytes);
  } else view.setUint16(ipBytes + 4, length - ipBytes);
  const addresses = of.isSix
    ? bytes.subarray(vnetBytes + 8, vnetBytes + 40)
    : bytes.subarray(vnetBytes + 12, vnetBytes + 20);
  const pseudo = slowSum(
    Uint8Array.of(...addresses, 0, protocol, (length - ipBytes) >> 8, (length - ipBytes) & 0xff),
  );
  view.setUint16(ipBytes + (of.isTcp ? 16 : 6), pseudo);
  bytes.set(of.payload, vnetBytes + headerBytes);
  return bytes;
}

/** RFC 1071, word by word. */
function slowSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

function gather(arena: Arena, pieces: Pieces, first: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let piece = first; piece >= 0; piece = pieces.next[piece] ?? -1) {
    const offset = pieces.offset[piece] ?? 0;
    parts.push(arena.bytes.slice(offset, offset + (pieces.length[piece] ?? 0)));
  }
  return Buffer.concat(parts);
}

function segment(arena: Arena, of: Super): Uint8Array[] {
  arena.bytes.set(encode(of), packetAt - vnetBytes);
  const sent: Uint8Array[] = [];
  const flush = (): void => {
    for (let index = 0; index < outgoing.count; index++) {
      const message = gather(arena, outgoing.pieces, outgoing.first[index] ?? -1);
      const size = outgoing.segmentBytes[index] ?? 0;
      for (let at = 0; at < message.length; at += size) sent.push(message.subarray(at, at + size));
    }
    outgoing.clear();
  };
  const outgoing = new Outgoing({
    segmentsPerMessage: 64,
    headers: { offset: headersAt, length: 0x1000 },
    segmentLimit: () => 65_535,
    onFull: flush,
  });
  const headerBytes = headerBytesOf(of);
  const length = headerBytes + of.payload.length;
  const transport = packetAt + (of.isSix ? 40 : 20);
  const { segmentBytes, isTcp } = of;
  const segmenter = new Segmenter(arena, outgoing);
  segmenter.segment({ packet: packetAt, length, transport, headerBytes, segmentBytes, isTcp }, 3);
  flush();
  return sent;
}

function coalesce(arena: Arena, packets: readonly Uint8Array[]): Uint8Array[] {
  const coalescer = new Coalescer(arena, { tcp: true, udp: true, onFull: () => assert.fail('full') });
  let at = segmentsAt;
  for (const packet of packets) {
    arena.bytes.set(packet, at);
    coalescer.push(at, packet.length);
    at += packet.length;
  }
  return Array.from({ length: coalescer.count }, (_, index) => {
    arena.bytes.fill(0, vnetAt, vnetAt + vnetBytes);
    if ((coalescer.packets[index] ?? 0) > 1) coalescer.finish(index, vnetAt);
    const packet = gather(arena, coalescer.pieces, coalescer.first[index] ?? -1);
    return Buffer.concat([arena.bytes.slice(vnetAt, vnetAt + vnetBytes), packet]);
  });
}

/** As many segments as fit one super-packet of the kind: then it must come back whole. */
function comesBackWhole(of: Super): boolean {
  return of.isTcp || Math.ceil(of.payload.length / of.segmentBytes) <= 64;
}

for (const wasm of [true, false]) {
  const arena = createArena(0x80000, { wasm });

  test(`segments are right, and merged again are what they were (${arena.summedBy})`, () => {
    fc.assert(
      fc.property(supers.filter(comesBackWhole), of => {
        // A coalescer never sees more at a time.
        fc.pre(of.payload.length / of.segmentBytes < 1000);
        const whole = encode(of);
        const segments = segment(arena, of);
        for (const one of segments) assert.deepEqual(judge(one, 0), { faults: [], checksum: 'right' });
        assert.deepEqual(segments.map(hex), segmentsOf(whole, vnetBytes).map(hex));
        assert.deepEqual(coalesce(arena, segments).map(hex), [hex(whole)]);
      }),
      { numRuns: 300 },
    );
  });
}

const arena = createArena(0x80000);
const plain: Super = {
  isSix: false,
  isTcp: true,
  optionBytes: 12,
  segmentBytes: 1000,
  payload: new Uint8Array(4000).fill(5),
  flags: ACK,
  sequence: 1000,
  identification: 7,
  dontFragment: true,
  tos: 0,
};

test('"congestion window reduced" is in the first segment alone, and is merged with nothing', () => {
  const segments = segment(arena, { ...plain, flags: ACK | CWR | ECE });
  assert.deepEqual(
    segments.map(one => one[33]),
    [ACK | CWR | ECE, ACK | ECE, ACK | ECE, ACK | ECE],
  );
  const [first, rest] = coalesce(arena, segments);
  assert.equal(hex(first?.subarray(vnetBytes)), hex(segments[0]));
  assert.equal(rest?.length, vnetBytes + 52 + 3000);
});

/** Changes one segment of four, and makes its checksums right again. */
function changed(index: number, of: Super, change: (view: DataView) => void, fix = true): Uint8Array[] {
  const segments = segment(arena, of);
  const one = segments[index] ?? new Uint8Array();
  const view = new DataView(one.buffer, one.byteOffset, one.length);
  change(view);
  if (!fix) return segments;
  const [at, field] = [of.isSix ? 40 : 20, of.isTcp ? 16 : 6];
  if (!of.isSix) {
    view.setUint16(10, 0);
    view.setUint16(10, ~slowSum(one.subarray(0, 20)));
  }
  view.setUint16(at + field, 0);
  const addresses = of.isSix ? one.subarray(8, 40) : one.subarray(12, 20);
  const length = one.length - at;
  const summed = Uint8Array.of(
    ...addresses,
    0,
    of.isTcp ? 6 : 17,
    length >> 8,
    length & 0xff,
    ...one.subarray(at),
  );
  view.setUint16(at + field, ~slowSum(summed));
  return segments;
}

const [six, udp] = [
  { ...plain, isSix: true },
  { ...plain, isTcp: false },
];

/** What the third of four segments may not differ in, and how many writes come of it. */
const differences: ReadonlyArray<readonly [string, Super, (view: DataView) => void, number]> = [
  ['nothing', plain, () => {}, 1],
  ['the type of service', plain, view => view.setUint8(1, 2), 3],
  ['the time to live', plain, view => view.setUint8(8, 63), 3],
  ['DF', plain, view => view.setUint16(6, 0), 3],
  ['being a fragment', plain, view => view.setUint16(6, 0x2000), 3],
  ['the identification, with DF', plain, view => view.setUint16(4, 999), 1],
  ['the identification, without DF', { ...plain, dontFragment: false }, view => view.setUint16(4, 999), 3],
  ['the acknowledgement', plain, view => view.setUint32(28, 1), 3],
  ['the window', plain, view => view.setUint16(34, 1), 3],
  ['an option', plain, view => view.setUint8(45, 8), 3],
  ['ECE', plain, view => view.setUint8(33, ACK | ECE), 3],
  ['PSH, which ends a super-packet', plain, view => view.setUint8(33, ACK | PSH), 2],
  ['FIN, which ends a super-packet', plain, view => view.setUint8(33, ACK | FIN), 2],
  ['URG, which goes alone', plain, view => view.setUint8(33, ACK | 32), 3],
  ['RST, which goes alone', plain, view => view.setUint8(33, ACK | 4), 3],
  ['a gap in the sequence', plain, view => view.setUint32(24, 5), 3],
  ['the flow label', six, view => view.setUint16(2, 1), 3],
  ['the hop limit', six, view => view.setUint8(7, 9), 3],
  ['another port', udp, view => view.setUint16(20, 9), 2],
];

test('only what segmentation could have made is merged, and the order is kept', () => {
  for (const [what, of, change, writes] of differences) {
    const segments = changed(2, of, change).map(one => Uint8Array.from(one));
    const written = coalesce(arena, segments);
    assert.equal(written.length, writes, what);
    for (const one of written) assert.deepEqual(judge(one, vnetBytes).faults, [], what);
  }
});

test('a segment with a wrong checksum is passed on as it is, alone', () => {
  for (const [index, of] of [
    [0, plain],
    [2, six],
    [3, udp],
  ] as const) {
    const segments = changed(index, of, view => view.setUint8(of.isSix ? 90 : 70, 0), false).map(one =>
      Uint8Array.from(one),
    );
    const written = coalesce(arena, segments);
    const alone = hex(segments[index]);
    assert.ok(written.some(one => hex(one.subarray(vnetBytes)) === alone && one[0] === 0));
    assert.ok(written.length <= 3);
  }
});

test('flows that interleave are each merged', () => {
  const flows = [plain, six, udp].map(of => segment(arena, of).map(one => Uint8Array.from(one)));
  const mixed = [0, 1, 2, 3].flatMap(round => flows.map(flow => flow[round] ?? new Uint8Array()));
  assert.deepEqual(
    coalesce(arena, mixed).map(one => one.length - vnetBytes),
    [52 + 4000, 72 + 4000, 28 + 4000],
  );
});

function hex(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString('hex');
}
