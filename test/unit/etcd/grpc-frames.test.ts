import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { frameMessage, MessageFramer } from '../../../src/etcd/grpc-frames.ts';

function push(framer: MessageFramer, chunks: readonly Buffer[]): Uint8Array[] {
  return chunks.flatMap(chunk => [...framer.push(chunk)]);
}

test('a message has five bytes before it: not compressed, and its length', () => {
  assert.deepEqual(frameMessage(Uint8Array.of(7, 8)), Buffer.from([0, 0, 0, 0, 2, 7, 8]));
});

test('messages come out whole, however the stream is cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 });
  const sizes = fc.infiniteStream(fc.integer({ min: 1, max: 20 }));
  fc.assert(
    fc.property(messages, sizes, (messages, sizes) => {
      const stream = Buffer.concat(messages.map(frameMessage));
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; at += chunks.at(-1)?.length ?? 0) {
        chunks.push(stream.subarray(at, at + (sizes.next().value ?? 1)));
      }
      const framer = new MessageFramer(50);
      assert.deepEqual(push(framer, chunks), messages);
      assert.equal(framer.atBoundary, true);
    }),
  );
});

test('the end within a message can be told', () => {
  const framer = new MessageFramer(50);
  assert.deepEqual(push(framer, [frameMessage(Uint8Array.of(1, 2, 3)).subarray(0, 6)]), []);
  assert.equal(framer.atBoundary, false);
});

test('a message that is too long is refused by its length alone', () => {
  const header = frameMessage(new Uint8Array(51)).subarray(0, 5);
  assert.throws(() => push(new MessageFramer(50), [header]), { code: 'etcd-protocol', message: /51 bytes/ });
});

test('a compressed message is refused', () => {
  const compressed = Buffer.from([1, 0, 0, 0, 0]);
  assert.throws(() => push(new MessageFramer(50), [compressed]), {
    code: 'etcd-protocol',
    message: /flag 1/,
  });
});
