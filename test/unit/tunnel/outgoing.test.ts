import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mostMessageBytes, mostSegments, Outgoing } from '../../../src/tunnel/outgoing.ts';

interface Packet {
  readonly peer: number;
  readonly length: number;
}

/** Messages as lists of peer and lengths of their datagrams, flushes and all. */
function messagesOf(packets: readonly Packet[], segmentsPerMessage: number, limit = 65_535) {
  const messages: Array<{ peer: number; lengths: number[]; offsets: number[] }> = [];
  const flush = (): void => {
    for (let index = 0; index < outgoing.count; index++) {
      const { pieces } = outgoing;
      const message = { peer: outgoing.peer[index] ?? -1, lengths: [] as number[], offsets: [] as number[] };
      for (let piece = outgoing.first[index] ?? -1; piece >= 0; piece = pieces.next[piece] ?? -1) {
        message.lengths.push(pieces.length[piece] ?? -1);
        message.offsets.push(pieces.offset[piece] ?? -1);
      }
      assert.equal(message.lengths.length, outgoing.segments[index]);
      assert.equal(
        message.lengths.reduce((sum, length) => sum + length, 0),
        outgoing.bytes[index],
      );
      assert.equal(message.lengths[0], outgoing.segmentBytes[index]);
      messages.push(message);
    }
    outgoing.clear();
  };
  const outgoing = new Outgoing({
    segmentsPerMessage,
    headers: { offset: 0, length: 0 },
    segmentLimit: () => limit,
    onFull: flush,
  });
  for (const [index, { peer, length }] of packets.entries()) outgoing.packet(peer, index, length);
  flush();
  return messages;
}

const packets = fc.array(
  fc.record({
    peer: fc.oneof(fc.nat(3), fc.constantFrom(64, 65, 128)),
    length: fc.oneof(fc.constantFrom(64, 1472, 1400), fc.integer({ min: 20, max: 65_507 })),
  }),
  { maxLength: 500 },
);

test('every packet goes out once, in order for each peer, in messages that the kernel can cut up', () => {
  fc.assert(
    fc.property(packets, fc.constantFrom(1, mostSegments), (input, segmentsPerMessage) => {
      const messages = messagesOf(input, segmentsPerMessage);
      for (const { lengths } of messages) {
        assert.ok(lengths.length <= segmentsPerMessage);
        assert.ok(
          lengths.length === 1 || lengths.reduce((sum, length) => sum + length, 0) <= mostMessageBytes,
        );
        assert.ok(lengths.slice(0, -1).every(length => length === lengths[0]));
        assert.ok((lengths.at(-1) ?? 0) <= (lengths[0] ?? 0));
      }
      for (const peer of new Set(input.map(packet => packet.peer))) {
        assert.deepEqual(
          messages.filter(message => message.peer === peer).flatMap(message => message.offsets),
          input.flatMap((packet, index) => (packet.peer === peer ? [index] : [])),
        );
      }
    }),
  );
});

test('packets of one size share messages, also when peers take turns', () => {
  const input = Array.from({ length: 88 }, (_, index) => ({ peer: index % 2, length: 1472 }));
  assert.deepEqual(
    messagesOf(input, mostSegments).map(({ peer, lengths }) => [peer, lengths.length]),
    [
      [0, 44],
      [1, 44],
    ],
  );
});

test('a shorter packet ends a message, a longer one begins another', () => {
  const input = [100, 100, 50, 50, 80].map(length => ({ peer: 0, length }));
  assert.deepEqual(
    messagesOf(input, mostSegments).map(({ lengths }) => lengths),
    [[100, 100, 50], [50], [80]],
  );
});

test('what a path refuses to have cut up goes alone', () => {
  const input = [1000, 1000, 1001, 1001].map(length => ({ peer: 0, length }));
  assert.deepEqual(
    messagesOf(input, mostSegments, 1000).map(({ lengths }) => lengths),
    [[1000, 1000], [1001], [1001]],
  );
});
