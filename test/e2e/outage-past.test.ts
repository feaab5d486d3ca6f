/** By what a watch knows an etcd again, whose past it has told; asked of etcds whose pasts differ in one thing. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type EtcdClient, openEtcd } from '../../src/etcd/client.ts';
import { EtcdKeys } from '../../src/registry/etcd-keys.ts';
import { EtcdPast } from '../../src/registry/etcd-past.ts';
import type { RegistryEvent } from '../../src/registry/registry.ts';
import { compact, startEtcd } from '../support/etcd.ts';
import { testScope } from '../support/leaks.ts';

const scope = testScope({ after });
const keys = new EtcdKeys('/network');
const etcd = await startEtcd(scope);
const client: EtcdClient = scope.own('client', openEtcd({ endpoints: etcd.endpoints }));

const put = (key: string, value: string) => etcd.etcdctl(['put', `/network/${key}`, value]);
await put('a', '1'); // Revision 2.
await put('b', '1');
await put('a', '2');
await etcd.etcdctl(['del', '/network/b']); // Revision 5.
await put('elsewhere', 'x');

const entry = (key: string, value: string, revision: bigint) => ({ key, value, revision, permanent: true });
const written = (...args: Parameters<typeof entry>): RegistryEvent => ({
  type: 'put',
  entry: entry(...args),
});
const deleted = (key: string, revision: bigint): RegistryEvent => ({ type: 'delete', key, revision });
const listed = (entries: ReturnType<typeof entry>[], revision: bigint): RegistryEvent => ({
  type: 'snapshot',
  entries,
  revision,
});

const cases: ReadonlyArray<readonly [string, readonly RegistryEvent[], boolean, bigint | undefined]> = [
  ['nothing was told', [], true, undefined],
  ['an empty list was told', [listed([], 1n)], true, undefined],
  ['a writing that is there', [written('a', '2', 4n)], true, 4n],
  ['a writing that was followed by others', [written('a', '1', 2n)], true, 2n],
  ['a writing of what is deleted by now', [written('b', '1', 3n)], true, 3n],
  ['the last writing of a list', [listed([entry('b', '1', 3n), entry('a', '1', 2n)], 3n)], true, 3n],
  ['a writing and a deletion', [written('a', '2', 4n), deleted('b', 5n)], true, 5n],
  ['a writing of another value', [written('a', '3', 4n)], false, 4n],
  ['a writing of another revision', [written('a', '2', 5n)], false, 5n],
  ['a writing of a key that never was', [written('c', '1', 4n)], false, 4n],
  ['a deletion of what is still there', [written('b', '1', 3n), deleted('a', 5n)], false, 5n],
  ['a writing that is still to come', [written('a', '2', 4711n)], false, 4711n],
];

for (const [title, events, expected, revision] of cases) {
  test(`${title}: ${expected ? 'known again' : 'another past'}`, async () => {
    const past = new EtcdPast();
    for (const event of events) past.note(event);
    assert.equal(await past.isThatOf(client, keys, {}), expected);
    assert.equal(past.revision, revision);
  });
}

test('what is compacted is not known again', async () => {
  const past = new EtcdPast();
  past.note(written('a', '1', 2n));
  await compact(etcd, 4n);
  assert.equal(await past.isThatOf(client, keys, {}), false);
  past.note(written('a', '2', 4n));
  assert.equal(await past.isThatOf(client, keys, {}), true);
});
