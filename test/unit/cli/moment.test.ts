import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesText, clockText, durationText, sinceText } from '../../../src/cli/moment.ts';

const minute = 60_000;
const hour = 60 * minute;

test('a duration has one unit, as exact as it matters', () => {
  const cases: ReadonlyArray<readonly [number, string]> = [
    [-5, '0 s'],
    [0, '0 s'],
    [44_600, '45 s'],
    [89_000, '89 s'],
    [3 * minute, '3 min'],
    [89 * minute, '89 min'],
    [90 * minute, '2 h'],
    [23.4 * hour, '23 h'],
    [47 * hour, '47 h'],
    [49 * hour, '2 d'],
    [480 * hour, '20 d'],
  ];
  for (const [milliseconds, text] of cases) assert.equal(durationText(milliseconds), text);
});

test('bytes are told in powers of 1000 with two digits or three', () => {
  const cases: ReadonlyArray<readonly [number, string]> = [
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9949, '9.9 kB'],
    [9999, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [34_200_000, '34 MB'],
    [1.25e12, '1.3 TB'],
    [5e18, '5000 PB'],
  ];
  for (const [bytes, text] of cases) assert.equal(bytesText(bytes), text);
});

test('a time of today is told without its day, and of another day without its seconds', () => {
  const noon = new Date(2026, 10, 24, 12, 3, 4).getTime();
  assert.equal(clockText(noon, noon + 3 * minute), '12:03:04');
  assert.equal(clockText(noon, noon + 24 * hour), '2026-11-24 12:03');
  assert.equal(sinceText(noon, noon + 3 * minute), '12:03:04 (3 min)');
});
