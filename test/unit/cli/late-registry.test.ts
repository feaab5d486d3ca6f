import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openToLook } from '../../../src/cli/open-registry.ts';
import { temporaryFolder } from '../../e2e/cli-weft.ts';
import { testScope } from '../../support/leaks.ts';

test('a registry that could not be opened says why to each who asks, until it can be', async t => {
  const path = join(await temporaryFolder(testScope(t)), 'leases');
  const registry = await openToLook({ type: 'dir', path });
  assert.equal(registry.name, `dir:${path}`);
  const missing = { code: 'registry-unavailable', message: `${path}: there is no such folder` };
  await assert.rejects(registry.get('config'), missing);
  await assert.rejects(registry.list(''), missing);
  mkdirSync(path);
  const [one, all] = await Promise.all([registry.get('config'), registry.list('')]);
  assert.deepEqual([one, all.entries], [undefined, []]);
  rmSync(path, { recursive: true });
  await registry.close();
});
