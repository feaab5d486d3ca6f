import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirtyKeys, keysPerTurn } from '../../../src/daemon/dirty-keys.ts';
import { keyOf, type ObjectKey } from '../../../src/state/kernel-object.ts';

const keys = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `route ${from + index}` as ObjectKey);
const fill = (dirty: DirtyKeys, ...of: readonly ObjectKey[]) => {
  for (const key of of) dirty.add(key);
};

test('a turn takes so many, in the order of their coming, and what comes late goes before what has been put off', () => {
  const dirty = new DirtyKeys();
  fill(dirty, ...keys(0, 2 * keysPerTurn));
  assert.deepEqual([...dirty.take([])], keys(0, keysPerTurn));
  fill(dirty, 'route late' as ObjectKey);
  assert.equal(dirty.size, keysPerTurn + 1);
  assert.deepEqual([...dirty.take([])], ['route late', ...keys(keysPerTurn, 2 * keysPerTurn - 1)]);
  assert.deepEqual([...dirty.take([])], keys(2 * keysPerTurn - 1, 2 * keysPerTurn));
  assert.equal(dirty.size, 0);
});

test('none is put off twice, however many come', () => {
  const dirty = new DirtyKeys();
  fill(dirty, ...keys(0, keysPerTurn + 1));
  dirty.take([]);
  fill(dirty, ...keys(10_000, 10_000 + keysPerTurn));
  assert.deepEqual([...dirty.take([])], keys(10_000, 10_000 + keysPerTurn));
  fill(dirty, ...keys(20_000, 20_000 + keysPerTurn + 5));
  dirty.take([]);
  assert.deepEqual([...dirty.take([])].slice(0, 1), keys(keysPerTurn, keysPerTurn + 1));
});

test('devices come first, wherever they wait; one that waits is moved only by a new reason', () => {
  const dirty = new DirtyKeys();
  const device = keyOf({ type: 'link', value: { name: 'flannel.1' } });
  fill(dirty, ...keys(0, keysPerTurn), 'route waiting' as ObjectKey, device);
  assert.equal([...dirty.take(['flannel.1'])][0], device);
  fill(dirty, device);
  assert.deepEqual([...dirty.take(['flannel.1'])].slice(0, 1), [device]);
  fill(dirty, ...keys(0, keysPerTurn), 'route waiting' as ObjectKey);
  dirty.take([]);
  dirty.addUnlessWaiting('route waiting' as ObjectKey);
  dirty.addUnlessWaiting('route new' as ObjectKey);
  assert.deepEqual([...dirty.take([])], ['route new', 'route waiting']);
});
