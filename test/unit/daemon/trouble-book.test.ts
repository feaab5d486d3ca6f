import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { type Log, silentLog } from '../../../src/base/log.ts';
import { TroubleBook } from '../../../src/daemon/trouble-book.ts';
import { createTestClock } from '../registry/clocks.ts';

test('warnings and errors are kept, the newest first; what is told again is there once', async () => {
  const clock = createTestClock();
  const startMs = clock.wallMs();
  const book = new TroubleBook(clock);
  const log = book.listen(silentLog);
  log.debug({}, 'a detail');
  log.info({}, 'all is well');
  log.warn({ error: new WeftError('etcd-silent', 'etcd is silent', { remedy: 'wake it' }) }, 'no renewal');
  await clock.advance(1000);
  log.error({ problem: 'the disk is full', cause: new Error('no room'), remedy: 'make room' }, 'not ready');
  await clock.advance(1000);
  log.warn({ error: new WeftError('etcd-silent', 'etcd is silent', { remedy: 'wake it' }) }, 'no renewal');
  log.warn({ by: 'pid 7 (nm)' }, 'somebody fights');
  assert.deepEqual(book.last, [
    {
      ...{ atMs: startMs + 2000, sinceMs: startMs + 2000, count: 1, level: 'warn' },
      ...{ message: 'somebody fights: by pid 7 (nm)', remedy: undefined },
    },
    {
      ...{ atMs: startMs + 2000, sinceMs: startMs, count: 2, level: 'warn' },
      ...{ message: 'no renewal: etcd is silent', remedy: 'wake it' },
    },
    {
      ...{ atMs: startMs + 1000, sinceMs: startMs + 1000, count: 1, level: 'error' },
      ...{ message: 'not ready: no room, the disk is full', remedy: 'make room' },
    },
  ]);
});

test('no more than twenty are kept, and not those that are no trouble', () => {
  const book = new TroubleBook(createTestClock(), message => message !== 'repaired');
  const log = book.listen(silentLog);
  for (let index = 0; index < 50; index++) log.warn({}, `trouble ${index}`);
  log.warn({}, 'repaired');
  assert.equal(book.last.length, 20);
  assert.equal(book.last[0]?.message, 'trouble 49');
  assert.equal(book.last[19]?.message, 'trouble 30');
});

test('everything reaches the log that is listened to, as it was', () => {
  const lines: unknown[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push([level, fields, message]);
  const told: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const log = new TroubleBook(createTestClock()).listen(told);
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({ level }, 'said');
  assert.deepEqual(
    lines,
    ['debug', 'info', 'warn', 'error'].map(level => [level, { level }, 'said']),
  );
});
