import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOlder } from '../../../src/doctor/version-order.ts';

const cases = [
  ['0.1.0', '0.2.0', true],
  ['0.9.9', '1.0.0', true],
  ['1.9.0', '1.10.0', true],
  ['0.1.0', '0.1.7', false],
  ['0.2.0', '0.1.9', false],
  ['1.0.0', '0.9.0', false],
  ['2.0.0-rc.1', '2.0.0', false],
  ['unknown', '0.1.0', false],
  ['0.1.0', 'unknown', false],
] as const;

for (const [version, other, expected] of cases) {
  test(`${version} is ${expected ? '' : 'not '}too old to stay beside ${other}`, () => {
    assert.equal(isOlder(version, other), expected);
  });
}
