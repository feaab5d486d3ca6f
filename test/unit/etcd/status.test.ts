import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEndpointFault, statusError } from '../../../src/etcd/status.ts';

/** gRPC status, etcd's words, our code, and whether another endpoint may do better. */
const cases: ReadonlyArray<readonly [number, string, string, boolean]> = [
  [11, 'etcdserver: mvcc: required revision has been compacted', 'etcd-compacted', false],
  [8, 'etcdserver: mvcc: database space exceeded', 'etcd-nospace', false],
  [8, 'etcdserver: too many requests', 'etcd-unavailable', true],
  [3, 'etcdserver: authentication failed, invalid user ID or password', 'etcd-auth', false],
  [3, 'etcdserver: user name is empty', 'etcd-auth', false],
  [16, 'etcdserver: invalid auth token', 'etcd-auth', false],
  [3, 'etcdserver: revision of auth store is old', 'etcd-auth', false],
  [9, 'etcdserver: authentication is not enabled', 'etcd-auth-disabled', false],
  [7, 'etcdserver: permission denied', 'etcd-permission', false],
  [5, 'etcdserver: requested lease not found', 'etcd-lease-missing', false],
  [14, 'etcdserver: no leader', 'etcd-unavailable', true],
  [14, 'etcdserver: request timed out', 'etcd-unavailable', true],
  [4, 'context deadline exceeded', 'etcd-timeout', true],
  [2, 'context deadline exceeded', 'etcd-timeout', true],
  [2, 'context canceled', 'etcd-unavailable', true],
  [3, 'etcdserver: key is not provided', 'etcd-refused', false],
  [12, 'unknown service', 'etcd-refused', false],
];

for (const [code, message, expected, fault] of cases) {
  test(`gRPC status ${code} with "${message}" is ${expected}`, () => {
    const error = statusError('etcd http://127.0.0.1:2379 KV/Range', { code, message });
    assert.equal(error.code, expected);
    assert.ok(error.message.includes(message) && error.message.includes('http://127.0.0.1:2379'));
    assert.equal(isEndpointFault(error), fault);
  });
}
