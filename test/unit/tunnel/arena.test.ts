import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Arena, createArena } from '../../../src/tunnel/arena.ts';
import { u32 } from '../wire/arbitrary.ts';

const arenaBytes = 0x300000;
const wasm = createArena(arenaBytes);
const javascript = createArena(arenaBytes, { wasm: false });

test('WebAssembly sums unless told otherwise, and JavaScript then', () => {
  assert.deepEqual([wasm.summedBy, javascript.summedBy], ['wasm', 'javascript']);
});

test('an arena is as large as asked, zeroed, and its view sees its bytes', () => {
  for (const size of [1, 100, 65_536, 65_537]) {
    for (const arena of [createArena(size), createArena(size, { wasm: false })]) {
      assert.equal(arena.bytes.length, size);
      assert.equal(arena.view.byteLength, size);
      assert.ok(arena.bytes.every(byte => byte === 0));
      arena.bytes[size - 1] = 0xab;
      assert.equal(arena.view.getUint8(size - 1), 0xab);
      assert.equal(arena.sum(size - 1, 1), 0xab00);
    }
  }
});

test('what is no size is refused with our error', () => {
  for (const size of [0, -1, 1.5, Number.NaN, 2 ** 40]) {
    assert.throws(() => createArena(size), {
      code: 'arena-size',
      message: `cannot make an arena of ${size} bytes`,
    });
  }
});

/** RFC 1071 section 1, in words: pairs of bytes added, each carry put back in at the bottom. */
function slowSum(bytes: Uint8Array, initial: number): number {
  let sum = initial;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return sum;
}

function equalsSlow(at: number, length: number, initial?: number): void {
  const expected = slowSum(wasm.bytes.subarray(at, at + length), initial ?? 0);
  const sums = [wasm, javascript].map((arena: Arena) => arena.sum(at, length, initial));
  assert.deepEqual(sums, [expected, expected], `${length} bytes at ${at}, ${initial}`);
}

function fill(byte: (index: number) => number): void {
  for (let index = 0; index < arenaBytes; index++) wasm.bytes[index] = byte(index);
  javascript.bytes.set(wasm.bytes);
}

test('both sum as the slow twin does, for every length up to three turns, at odd and even offsets', () => {
  fill(index => (index * 2_654_435_761) >>> 13);
  for (let length = 0; length <= 200; length++) for (let at = 0; at <= 17; at++) equalsSlow(at, length);
});

test('both sum as the slow twin does, whatever the bytes, the place and the words before', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4000 }), fc.nat(100), fc.option(u32), (bytes, at, initial) => {
      for (const arena of [wasm, javascript]) arena.bytes.set(bytes, at);
      equalsSlow(at, bytes.length, initial ?? undefined);
    }),
  );
});

test('no sum overflows: megabytes of ones, of zeros, of alternating words', () => {
  for (const byte of [() => 0xff, () => 0, (index: number) => (index & 2 ? 0xff : 0)]) {
    fill(byte);
    for (const length of [65_535, 131_072, 131_074, 1_048_576, 1_048_640, arenaBytes - 1])
      for (const initial of [0, 1, 0xffff, 0xffff_ffff]) equalsSlow(1, length, initial);
  }
});

test('the sum of the worked example in RFC 1071 section 3 is its ddf2', () => {
  for (const arena of [wasm, javascript]) {
    arena.bytes.set([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 5);
    assert.equal(arena.sum(5, 8), 0xddf2);
  }
});

test('outside the arena nothing is read', () => {
  for (const arena of [wasm, javascript]) {
    for (const [at, length] of [
      [arenaBytes - 63, 64],
      [arenaBytes, 1],
      [arenaBytes - 1, 2],
      [-4, 8],
    ] as const)
      assert.throws(() => arena.sum(at, length), `${length} bytes at ${at}`);
  }
});
