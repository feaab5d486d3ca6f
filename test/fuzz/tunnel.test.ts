/**
 * The tunnel's receive path, given whatever may come: nothing reaches the TUN device that a strict reader refuses, and
 * what the kernel makes of it is, flow by flow, what the peers sent. The send path likewise.
 * `WEFT_FUZZ_RUNS=40000 npm test -- test/fuzz/tunnel.test.ts` is a million packets.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { IpAddress } from '../../src/base/ip.ts';
import { judge, segmentsOf } from '../support/strict-packet.ts';
import { createTunnelPaths, type Message } from '../support/tunnel-paths.ts';
import { check } from './fuzz.ts';
import { damagedReads, messages, own, peers, reads, routes } from './tunnel-traffic.ts';

const vnetBytes = 10;

/** Whose addresses begin so, by the routes above. */
const beginnings: ReadonlyArray<readonly [IpAddress, 4 | 6, readonly number[]]> = [
  [peers[0], 4, [10, 2, 2]],
  [peers[1], 4, [10, 2, 3]],
  [peers[0], 6, [0xfd, 0, 0, 2, 0, 0, 0, 0]],
  [peers[1], 6, [0xfd, 0, 0, 3, 0, 0, 0, 0]],
];

function peerOf(packet: Uint8Array, at: number): IpAddress | undefined {
  const family = (packet[0] ?? 0) >> 4;
  return beginnings.find(
    ([, version, bytes]) => version === family && bytes.every((byte, index) => packet[at + index] === byte),
  )?.[0];
}

/** The packets in a message that the kernel shall get, with one less to live. */
function passed(message: Message): Uint8Array[] {
  return datagramsOf(message).filter(datagram => {
    if (message.sender === undefined || judge(datagram, 0).faults.length > 0) return false;
    return peerOf(datagram, (datagram[0] ?? 0) >> 4 === 4 ? 12 : 8) === message.sender && age(datagram);
  });
}

function datagramsOf({ bytes, segmentBytes }: Message): Uint8Array[] {
  const step = segmentBytes > 0 ? segmentBytes : Math.max(1, bytes.length);
  const count = Math.ceil(bytes.length / step);
  return Array.from({ length: count }, (_, index) => bytes.slice(index * step, (index + 1) * step));
}

/** Takes one off the TTL, and one TTL's worth onto IPv4's checksum; false at the end of its life. */
function age(packet: Uint8Array): boolean {
  const isFour = (packet[0] ?? 0) >> 4 === 4;
  const at = isFour ? 8 : 7;
  const ttl = packet[at] ?? 0;
  if (ttl <= 1) return false;
  packet[at] = ttl - 1;
  if (!isFour) return true;
  const checksum = (packet[10] ?? 0) * 256 + (packet[11] ?? 0) + 256;
  const folded = checksum >= 0xffff ? checksum - 0xffff : checksum;
  packet.set([folded >> 8, folded & 0xff], 10);
  return true;
}

/** Packets by flow, in order; without what DF makes meaningless (RFC 6864 section 4.1). */
function byFlow(packets: readonly Uint8Array[]): Record<string, string[]> {
  const flows: Record<string, string[]> = {};
  for (const packet of packets) {
    const isFour = (packet[0] ?? 0) >> 4 === 4;
    const copy = Buffer.from(packet);
    if (isFour && ((packet[6] ?? 0) & 0x7f) === 0x40 && packet[7] === 0) copy.fill(0, 4, 6).fill(0, 10, 12);
    const headerBytes = isFour ? ((packet[0] ?? 0) & 15) * 4 : 40;
    const protocol = packet[isFour ? 9 : 6];
    const ends = copy.subarray(isFour ? 12 : 8, headerBytes + 4).toString('hex');
    // Pieces of packets belong to no flow that could be seen.
    const isFragment = isFour && ((packet[6] ?? 0) & 0x3f) + (packet[7] ?? 0) > 0;
    const key = `${isFragment ? 'fragment' : protocol} ${ends}`;
    // The whole of it would drown what differs.
    const text = `${copy.subarray(0, 80).toString('hex')} ${copy.length} bytes, ${crc32(copy)}`;
    flows[key] ??= [];
    flows[key].push(text);
  }
  return flows;
}

const settings = [
  { wasm: true, merges: true },
  { wasm: false, merges: true },
  { wasm: true, merges: false },
];

const mtuBytes = 1472;

for (const setting of settings) {
  const paths = createTunnelPaths({ routes, addresses: own, mtuBytes, ...setting });
  const way = `checksums by ${setting.wasm ? 'WebAssembly' : 'JavaScript'}${setting.merges ? '' : ', packet by packet'}`;
  let [packets, merged] = [0, 0];

  /** The first way is looked at for long, the others shortly. */
  function lookAt<T>(input: fc.Arbitrary<T>, act: (value: T) => void): void {
    if (setting === settings[0]) check(input, act);
    else fc.assert(fc.property(input, act), { numRuns: 300 });
  }

  test(`whatever comes from the wire, the kernel gets sound packets, and those that were sent: ${way}`, t => {
    lookAt(messages, input => {
      const { written, errors } = paths.receive(input);
      for (const write of written) assert.deepEqual(judge(write, vnetBytes).faults, []);
      for (const error of errors) assert.deepEqual(judge(error, 0), { faults: [], checksum: 'right' });
      const segments = written.map(write => segmentsOf(write, vnetBytes));
      assert.deepEqual(byFlow(segments.flat()), byFlow(input.flatMap(passed)));
      packets += input.reduce((sum, message) => sum + datagramsOf(message).length, 0);
      merged += segments.filter(list => list.length > 1).length;
    });
    assert.equal(merged > 0, setting.merges);
    t.diagnostic(`${packets} packets, ${merged} super-packets`);
  });

  test(`whatever the kernel sends, the peers get what it stands for: ${way}`, () => {
    lookAt(reads, input => {
      const { sent, errors } = paths.transmit(input);
      for (const { bytes } of sent) assert.deepEqual(judge(bytes, 0).faults, []);
      for (const error of errors) assert.deepEqual(judge(error, 0), { faults: [], checksum: 'right' });
      const expected = input.map(read => segmentsOf(read, vnetBytes)).filter(goesOut);
      assert.deepEqual(byFlow(sent.map(({ bytes }) => bytes)), byFlow(expected.flat().filter(age)));
    });
  });

  test(`whatever the kernel should not send, what goes out is sound: ${way}`, () => {
    lookAt(damagedReads, input => {
      const { sent, errors } = paths.transmit(input);
      for (const { bytes } of sent) assert.deepEqual(judge(bytes, 0).faults, []);
      for (const error of errors) assert.deepEqual(judge(error, 0).faults, []);
    });
  });
}

/** Whether a read is for a peer and fits, all of it. */
function goesOut(segments: readonly Uint8Array[]): boolean {
  const [first = new Uint8Array()] = segments;
  const isFour = (first[0] ?? 0) >> 4 === 4;
  const mayBeCut = isFour && ((first[6] ?? 0) & 0x40) === 0;
  const longest = Math.max(...segments.map(segment => segment.length));
  return peerOf(first, isFour ? 16 : 24) !== undefined && (mayBeCut || longest <= mtuBytes);
}
