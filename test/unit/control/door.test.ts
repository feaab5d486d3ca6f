import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { silentLog } from '../../../src/base/log.ts';
import { ask } from '../../../src/control/ask.ts';
import { type DoorOptions, openDoor } from '../../../src/control/door.ts';

async function openIn(t: TestContext, answers: DoorOptions['answers']): Promise<{ readonly path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'weft-door-'));
  t.after(() => rm(folder, { recursive: true }));
  const at = { path: path.join(folder, 'door.sock') };
  const listen = { ...at, mode: 0o600 };
  const door = await openDoor({ listen, answers, admits: () => true, log: silentLog });
  t.after(() => door.close());
  return at;
}

test('an answer that JSON cannot say is refused, and the next one is given', async t => {
  const at = await openIn(t, { '/odd': () => ({ revision: 1n }), '/even': () => ({ revision: 2 }) });
  const asking = { at, patienceMs: 5000, signal: new AbortController().signal };
  await assert.rejects(ask({ ...asking, question: '/odd' }), error => hasCode(error, 'door-failed'));
  assert.deepEqual(await ask({ ...asking, question: '/even' }), { revision: 2 });
});

test('whoever connects and asks nothing, or never to the end, is shown out, and keeps nobody waiting', async t => {
  const at = await openIn(t, { '/slow': () => new Promise(resolve => setTimeout(resolve, 4000, 'done')) });
  const idlers = Array.from({ length: 8 }, () => connect(at.path));
  const drips = idlers.map((socket, index) => {
    socket.on('error', () => {});
    socket.write(index % 2 === 0 ? 'GET /slow HTTP/1.1\r\n' : '');
    return setInterval(() => index % 2 === 0 && socket.write('a: b\r\n'), 100);
  });
  t.after(() => drips.forEach(clearInterval));
  // An answer may take longer than a question.
  const asking = { at, patienceMs: 8000, signal: new AbortController().signal };
  const answer = ask({ ...asking, question: '/slow' });
  await Promise.all(idlers.map(socket => socket.resume() && once(socket, 'close')));
  assert.equal(await answer, 'done');
});
