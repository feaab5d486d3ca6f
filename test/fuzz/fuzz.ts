/**
 * What every decoder owes whoever feeds it: it returns or throws a WeftError, soon, and with a result in proportion to
 * its input. `WEFT_FUZZ_RUNS=100000 npm test -- test/fuzz/*.test.ts` looks longer.
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { WeftError } from '../../src/base/errors.ts';
import { damagedBytes, damagedText } from './mutations.ts';

const numRuns = Number(process.env['WEFT_FUZZ_RUNS'] ?? 4000);

/** Thousands of times what any input here needs: not a measure of speed, but of an end. */
const mostMs = 5_000;
/** A result may be larger than its input by this factor and this much, for names, warnings and defaults. */
const [growth, allowance] = [300, 20_000];

export function fuzzBytes(
  decoder: string,
  samples: readonly Uint8Array[],
  decode: (bytes: Uint8Array) => unknown,
): void {
  test(`${decoder}: damaged bytes are refused with our error or read, and nothing else happens`, () => {
    for (const sample of samples) survives(decode, sample, sample.length);
    check(damagedBytes(samples), bytes => survives(decode, bytes, bytes.length));
  });
  test(`${decoder}: a large input costs no more than its size`, () => {
    for (const sample of samples) {
      for (const bytes of enlarged(sample)) survives(decode, bytes, bytes.length);
    }
  });
}

export function fuzzText(
  decoder: string,
  samples: readonly string[],
  decode: (text: string) => unknown,
): void {
  test(`${decoder}: damaged text is refused with our error or read, and nothing else happens`, () => {
    for (const sample of samples) survives(decode, sample, sample.length);
    check(damagedText(samples), text => survives(decode, text, text.length));
  });
  test(`${decoder}: a large text costs no more than its size`, () => {
    for (const sample of [...samples, ...awkward]) {
      for (const text of enlargedText(sample)) survives(decode, text, text.length);
    }
  });
}

/** A property of whatever these samples become. */
export function check<T>(input: fc.Arbitrary<T>, act: (value: T) => void): void {
  fc.assert(fc.property(input, act), { numRuns });
}

export function survives<T>(decode: (input: T) => unknown, input: T, size: number): void {
  const start = performance.now();
  let result: unknown;
  try {
    result = decode(input);
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    result = error.message;
  }
  const ms = performance.now() - start;
  assert.ok(ms < mostMs, `${size} bytes took ${Math.round(ms)} ms`);
  const most = growth * size + allowance;
  assert.ok(weigh(result, most) <= most, `${size} bytes became more than ${most}`);
}

/** Roughly the bytes that a value holds, up to just above `most`; views into the input count little. */
function weigh(value: unknown, most: number): number {
  let weight = 0;
  const open = [value];
  while (open.length > 0 && weight <= most) {
    const one = open.pop();
    weight += 8;
    if (typeof one === 'string') weight += one.length;
    else if (one instanceof Uint8Array) weight += one.length;
    else if (one instanceof Map) for (const entry of one) open.push(...entry);
    else if (typeof one === 'object' && one !== null) {
      for (const [key, item] of Object.entries(one)) {
        weight += key.length;
        open.push(item);
      }
    }
  }
  return weight;
}

const largeBytes = 100_000;

/** The whole many times, and its end many times. */
function enlarged(sample: Uint8Array): Uint8Array[] {
  const tail = sample.subarray(Math.floor(sample.length / 2));
  return [repeat(sample, sample), repeat(sample, tail), repeat(sample, Uint8Array.of(0))];
}

function repeat(head: Uint8Array, part: Uint8Array): Uint8Array {
  const result = new Uint8Array(head.length + largeBytes);
  result.set(head);
  for (let at = head.length; at < result.length && part.length > 0; at += part.length)
    result.set(part.subarray(0, result.length - at), at);
  return result;
}

/** What nests, and what makes an expression backtrack. */
const awkward = [
  ...'[{"\'\\ \t\n0a:.-/,=&#(',
  '[{"a":',
  ',"x":1',
  ' #',
  "''",
  'a=',
  '0:',
  '::',
  '1.',
  '\\u0000',
];

function enlargedText(sample: string): string[] {
  const times = Math.ceil(largeBytes / Math.max(1, sample.length));
  const long = sample.repeat(times);
  const nested = sample.replace(/(?<=[:=]\s*)["\d[{]/, open => `${'['.repeat(largeBytes)}${open}`);
  const keys = Array.from({ length: 5000 }, (_, index) => `"Networ${index}":${index},`).join('');
  const key = `"${'Network'.repeat(largeBytes / 7)}":1,`;
  const inFront = [keys, key].map(more => sample.replace('{', `{${more}`));
  return [long, `${sample}${' '.repeat(largeBytes)}x`, nested, ...inFront];
}
