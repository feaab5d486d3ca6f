import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { silentLog } from '../../../src/base/log.ts';
import { ask } from '../../../src/control/ask.ts';
import { openDoor } from '../../../src/control/door.ts';

test('an answer that JSON cannot say is refused, and the next one is given', async t => {
  const folder = await mkdtemp(path.join(tmpdir(), 'weft-door-'));
  t.after(() => rm(folder, { recursive: true }));
  const at = { path: path.join(folder, 'door.sock') };
  const answers = { '/odd': () => ({ revision: 1n }), '/even': () => ({ revision: 2 }) };
  const door = await openDoor({
    listen: { ...at, mode: 0o600 },
    answers,
    admits: () => true,
    log: silentLog,
  });
  t.after(() => door.close());
  const asking = { at, patienceMs: 5000, signal: new AbortController().signal };
  await assert.rejects(ask({ ...asking, question: '/odd' }), error => hasCode(error, 'door-failed'));
  assert.deepEqual(await ask({ ...asking, question: '/even' }), { revision: 2 });
});
