import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deleteCommand } from '../../../src/cli/delete-command.ts';
import type { RegistryOptions } from '../../../src/cli/registry-flags.ts';

const etcd: Extract<RegistryOptions, { type: 'etcd' }> = {
  type: 'etcd',
  endpoints: ['http://10.0.0.1:2379', 'https://weft:secret@10.0.0.2:2379'],
  prefix: '/coreos.com/network/',
  keyFile: '',
  certFile: '',
  caFile: '',
  username: '',
  password: '',
};
const tls = { certFile: '/etc/weft/c.pem', keyFile: '/etc/weft/k.pem', caFile: '/etc/weft/our ca.pem' };
const key = 'subnets/10.2.14.0-24&fd00::-64';
const endpoints = '--endpoints=http://10.0.0.1:2379,https://10.0.0.2:2379';

const cases: ReadonlyArray<readonly [string, RegistryOptions, string]> = [
  ['etcd', etcd, `etcdctl ${endpoints} del '/coreos.com/network/${key}'`],
  [
    'etcd with TLS and a user, whose password is not told',
    { ...etcd, ...tls, username: 'weft', password: 'secret' },
    `etcdctl ${endpoints} --cert=/etc/weft/c.pem --key=/etc/weft/k.pem '--cacert=/etc/weft/our ca.pem' ` +
      `--user=weft del '/coreos.com/network/${key}'`,
  ],
  ['a directory', { type: 'dir', path: '/var/lib/weft/' }, `rm '/var/lib/weft/${key}'`],
  ['a directory with a quote', { type: 'dir', path: "it's" }, `rm 'it'\\''s/${key}'`],
];

for (const [what, options, expected] of cases) {
  test(`the command that removes a key from ${what}`, () => {
    assert.equal(deleteCommand(options, key), expected);
  });
}
