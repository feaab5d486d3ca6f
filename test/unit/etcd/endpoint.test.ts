import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEndpoint, parseEndpoints } from '../../../src/etcd/endpoint.ts';

const clear = { tlsConfigured: false };
const withTls = { tlsConfigured: true };

const valid: ReadonlyArray<readonly [text: string, url: string, host: string, port: number]> = [
  ['http://127.0.0.1:2379', 'http://127.0.0.1:2379', '127.0.0.1', 2379],
  ['https://etcd-1.example:4001/', 'https://etcd-1.example:4001', 'etcd-1.example', 4001],
  ['HTTPS://etcd:2379', 'https://etcd:2379', 'etcd', 2379],
  [' http://10.0.0.1:2379 ', 'http://10.0.0.1:2379', '10.0.0.1', 2379],
  ['http://[::1]:2379', 'http://[::1]:2379', '::1', 2379],
  ['http://[fe80::1%eth0]:2379', 'http://[fe80::1%eth0]:2379', 'fe80::1%eth0', 2379],
  ['http://10.0.0.1', 'http://10.0.0.1:2379', '10.0.0.1', 2379],
  ['10.0.0.1:4001', 'http://10.0.0.1:4001', '10.0.0.1', 4001],
  ['localhost', 'http://localhost:2379', 'localhost', 2379],
];

for (const [text, url, host, port] of valid) {
  test(`the endpoint ${JSON.stringify(text)} is ${url}`, () => {
    const endpoint = parseEndpoint(text, clear);
    assert.deepEqual(endpoint, { url, host, port, secure: url.startsWith('https:') });
  });
}

test('certificates make a bare address one of TLS, and leave http:// in clear text', () => {
  assert.equal(parseEndpoint('10.0.0.1:2379', withTls).url, 'https://10.0.0.1:2379');
  assert.equal(parseEndpoint('http://10.0.0.1:2379', withTls).secure, false);
});

const invalid = [
  '',
  'http://',
  'ftp://10.0.0.1:2379',
  'unix:///run/etcd.sock',
  'http://10.0.0.1:0',
  'http://10.0.0.1:65536',
  'http://10.0.0.1:port',
  'http://10.0.0.1:2379/v3',
  '::1:2379',
  'http://[::1:2379',
  'http://[10.0.0.1]:2379',
  'a b:2379',
];

for (const text of invalid) {
  test(`the endpoint ${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => parseEndpoint(text, clear), { code: 'etcd-endpoint-invalid', remedy: /HOST:PORT/ });
  });
}

for (const text of ['http://me:hunter2@10.0.0.1:2379', 'me:hunter2@10.0.0.1:2379']) {
  test(`${text.replace('hunter2', '***')} is refused without repeating the password`, () => {
    assert.throws(
      () => parseEndpoint(text, clear),
      (error: Error) => !error.message.includes('hunter2') && error.message.includes('10.0.0.1:2379'),
    );
  });
}

test('empty parts of a list are passed over, but something must be there', () => {
  assert.equal(parseEndpoints(['http://10.0.0.1:2379', ''], clear).length, 1);
  assert.throws(() => parseEndpoints(['', ' '], clear), { code: 'etcd-endpoint-invalid' });
});
