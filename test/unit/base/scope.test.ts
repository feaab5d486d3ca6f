import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeError } from '../../../src/base/errors.ts';
import { Scope } from '../../../src/base/scope.ts';

function recorded(scope: Scope, log: string[], ...names: readonly string[]): void {
  for (const name of names) {
    scope.defer(name, async () => {
      log.push(`${name} begins`);
      await new Promise(resolve => setImmediate(resolve));
      log.push(`${name} ends`);
    });
  }
}

const reverse = ['c begins', 'c ends', 'b begins', 'b ends', 'a begins', 'a ends'];

test('what was opened last is closed first, one after the other', async () => {
  const scope = new Scope();
  const log: string[] = [];
  recorded(scope, log, 'a', 'b', 'c');
  await scope.close();
  assert.deepEqual(log, reverse);
});

test('the signal is aborted before anything is closed', async () => {
  const scope = new Scope();
  let aborted: boolean | undefined;
  scope.defer('witness', () => {
    aborted = scope.signal.aborted;
  });
  assert.equal(scope.signal.aborted, false);
  await scope.close();
  assert.equal(aborted, true);
});

test('closing twice, one after the other or at once, closes everything once and in order', async () => {
  const scope = new Scope();
  const log: string[] = [];
  recorded(scope, log, 'a', 'b', 'c');
  await Promise.all([scope.close(), scope.close(), scope[Symbol.asyncDispose]()]);
  await scope.close();
  assert.deepEqual(log, reverse);
});

test('whoever waits for the closing waits until its end', async () => {
  const scope = new Scope();
  const log: string[] = [];
  recorded(scope, log, 'a', 'b', 'c');
  const first = scope.close();
  await scope.close();
  assert.deepEqual(log, reverse);
  await first;
});

test('a failure does not keep the others open, and every failure is told', async () => {
  const scope = new Scope();
  const log: string[] = [];
  recorded(scope, log, 'a');
  scope.defer('the socket', () => {
    throw new Error('EBADF');
  });
  recorded(scope, log, 'b');
  scope.defer('the timer', async () => {
    throw new Error('gone');
  });
  const error = await scope.close().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof AggregateError);
  assert.equal(
    describeError(error),
    'closing the scope failed: closing the timer failed: gone; closing the socket failed: EBADF',
  );
  assert.deepEqual(log, ['b begins', 'b ends', 'a begins', 'a ends']);
  await scope.close();
});

test('what is registered during or after the closing is closed as well', async () => {
  const scope = new Scope();
  const log: string[] = [];
  scope.defer('late opener', () => recorded(scope, log, 'during'));
  await scope.close();
  recorded(scope, log, 'after');
  await scope.close();
  assert.deepEqual(log, ['during begins', 'during ends', 'after begins', 'after ends']);
});

test('an owned thing is given back and closed', async () => {
  const scope = new Scope();
  const thing = {
    open: true,
    close() {
      this.open = false;
    },
  };
  assert.equal(scope.own('the thing', thing), thing);
  await scope.close();
  assert.equal(thing.open, false);
});
