import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { Tokens } from '../../../src/etcd/tokens.ts';

/** Tokens whose etcd gives 'token 1', 'token 2' and so on, or fails. */
function numbered(fail?: WeftError): { readonly tokens: Tokens; readonly asked: () => number } {
  let count = 0;
  const tokens = new Tokens(async () => {
    count++;
    if (fail !== undefined) throw fail;
    return `token ${count}`;
  });
  return { tokens, asked: () => count };
}

test('many who need a token at once ask for one', async () => {
  const { tokens, asked } = numbered();
  assert.deepEqual(await Promise.all([tokens.get(), tokens.get()]), ['token 1', 'token 1']);
  assert.equal(await tokens.get(), 'token 1');
  assert.equal(asked(), 1);
});

test('a refused token is replaced, once for all whom it was refused to', async () => {
  const { tokens, asked } = numbered();
  await tokens.get();
  assert.equal(tokens.refuse('token 1'), true);
  assert.equal(await tokens.get(), 'token 2');
  assert.equal(tokens.refuse('token 1'), true);
  assert.equal(await tokens.get(), 'token 2', 'somebody late does not throw away the new one');
  assert.equal(asked(), 2);
});

test('a failure is not kept: the next one asks again', async () => {
  const { tokens, asked } = numbered(new WeftError('etcd-auth', 'wrong password'));
  await assert.rejects(tokens.get(), { code: 'etcd-auth' });
  await assert.rejects(tokens.get(), { code: 'etcd-auth' });
  assert.equal(asked(), 2);
});

test('an etcd without authentication needs no token', async () => {
  const { tokens, asked } = numbered(new WeftError('etcd-auth-disabled', 'not enabled'));
  assert.equal(await tokens.get(), undefined);
  assert.equal(await tokens.get(), undefined);
  assert.equal(asked(), 1);
  assert.equal(tokens.refuse(undefined), true, 'it may have been switched on since');
  await tokens.get();
  assert.equal(asked(), 2);
});

test('nobody has no token, and a refusal stands', async () => {
  const tokens = new Tokens(undefined);
  assert.equal(await tokens.get(), undefined);
  assert.equal(tokens.refuse(undefined), false);
});
