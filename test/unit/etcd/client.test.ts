import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import { type EtcdOptions, openEtcd } from '../../../src/etcd/client.ts';

/** What opening a client warns of. */
async function warningsOf(options: EtcdOptions): Promise<string[]> {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (_: object, message: string) => void warnings.push(message) };
  await openEtcd({ ...options, log }).close();
  return warnings;
}

test('opening warns of certificates that are not used and of a password in clear text, without telling it', async () => {
  const endpoints = ['http://127.0.0.1:2379'];
  const user = { name: 'weft', password: 'hunter2' };
  const warnings = await warningsOf({ endpoints, tls: { caFile: '/ca.pem' }, user });
  assert.equal(warnings.length, 2);
  assert.match(warnings.join('; '), /http:\/\/ means clear text.*password is sent in clear text/);
  assert.doesNotMatch(warnings.join(), /hunter2/);
});

test('opening warns of nothing when TLS is spoken, or nothing is secret', async () => {
  const tls = { caFile: '/ca.pem' };
  const user = { name: 'weft', password: 'hunter2' };
  assert.deepEqual(await warningsOf({ endpoints: ['127.0.0.1:2379'], tls, user }), []);
  assert.deepEqual(await warningsOf({ endpoints: ['http://127.0.0.1:2379'] }), []);
});

test('opening refuses a bad endpoint, and connects to nobody', async () => {
  assert.throws(() => openEtcd({ endpoints: ['ftp://127.0.0.1'] }), { code: 'etcd-endpoint-invalid' });
  await openEtcd({ endpoints: ['http://127.0.0.1:1'] }).close();
});
