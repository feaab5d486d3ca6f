import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { buildChecksum, checksumFile } from '../../../scripts/build-checksum.ts';

test('the WebAssembly is what its source makes, byte for byte', async () => {
  assert.equal(readFileSync(checksumFile, 'utf8'), await buildChecksum());
});
