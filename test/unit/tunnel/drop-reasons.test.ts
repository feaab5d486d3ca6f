import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drop, dropReasons } from '../../../src/tunnel/drop-reasons.ts';

test('every reason has its own number, which finds its name, and 0 is none', () => {
  assert.equal(dropReasons[0], 'none');
  for (const [name, number] of Object.entries(drop)) assert.equal(dropReasons[number], name);
  assert.equal(new Set(Object.values(drop)).size, dropReasons.length);
});
