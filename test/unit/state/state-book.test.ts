import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { compare } from '../../../src/state/compare.ts';
import {
  type KernelObject,
  type KernelState,
  keyOf,
  type ObjectKey,
} from '../../../src/state/kernel-object.ts';
import { StateBook } from '../../../src/state/state-book.ts';

/** Of four keys, in three versions each. */
function neighbour(octet: number, version: number): KernelObject {
  const [dst, lladdr] = [parseIp(`10.2.${octet}.0`), parseMac(`0a:00:00:00:00:0${version}`)];
  return { type: 'neighbour', value: { dev: 'flannel.1', dst, lladdr, state: 'permanent' } };
}

const ours = (object: KernelObject): boolean =>
  object.type === 'neighbour' && object.value.dst !== '10.2.4.0';

/** The slow obvious twin: two whole maps. */
class TwoMaps {
  readonly desired = new Map<ObjectKey, KernelObject>();
  actual = new Map<ObjectKey, KernelObject>();

  differing(): ObjectKey[] {
    const keys = new Set([...this.desired.keys(), ...this.actual.keys()]);
    return [...keys].filter(key => {
      const [wish, there] = [this.desired.get(key), this.actual.get(key)];
      return wish === undefined || there === undefined || compare(wish, there).length > 0;
    });
  }
}

const object = fc
  .record({ octet: fc.integer({ min: 1, max: 4 }), version: fc.integer({ min: 1, max: 3 }) })
  .map(({ octet, version }) => neighbour(octet, version));
const deed = fc.oneof(
  fc.record({ type: fc.constantFrom('want', 'unwant', 'come', 'go'), object }),
  fc.record({ type: fc.constant('look' as const), found: fc.array(object, { maxLength: 4 }) }),
);

function carryOut(deeds: readonly (typeof deed extends fc.Arbitrary<infer T> ? T : never)[]): void {
  const [book, twin] = [new StateBook(), new TwoMaps()];
  for (const one of deeds) {
    if (one.type === 'look') {
      const state = new Map(one.found.map(found => [keyOf(found), found] as const));
      book.seeAll(state, ours);
      twin.actual = new Map([...state].filter(([key, found]) => twin.desired.has(key) || ours(found)));
    } else {
      const key = keyOf(one.object);
      if (one.type === 'want') book.want(key, one.object);
      if (one.type === 'want') twin.desired.set(key, one.object);
      if (one.type === 'unwant') assert.equal(book.unwant(key), twin.desired.get(key));
      if (one.type === 'unwant') twin.desired.delete(key);
      if (one.type === 'come' || one.type === 'go')
        book.see(key, one.type === 'come' ? one.object : undefined);
      if (one.type === 'come') twin.actual.set(key, one.object);
      if (one.type === 'go') twin.actual.delete(key);
    }
    compareWith(book, twin);
  }
}

function differencesOf(book: StateBook): ObjectKey[] {
  const keys: ObjectKey[] = [];
  book.eachDifference(key => void keys.push(key));
  return keys;
}

function compareWith(book: StateBook, twin: TwoMaps): void {
  const sorted = (state: Iterable<readonly [ObjectKey, KernelObject]>): KernelState =>
    new Map([...state].sort(([one], [other]) => (one < other ? -1 : 1)));
  assert.deepEqual(sorted(book.desired), sorted(twin.desired));
  assert.deepEqual(sorted(book.actuals()), sorted(twin.actual));
  assert.deepEqual(differencesOf(book).sort(), twin.differing().sort());
  for (const [octet] of [[1], [2], [3], [4]] as const) {
    const key = keyOf(neighbour(octet, 1));
    assert.deepEqual(book.actual(key), twin.actual.get(key));
    assert.equal(book.differs(key), twin.differing().includes(key));
  }
}

test('whatever is wished and seen, the book tells what two whole maps would', () => {
  fc.assert(fc.property(fc.array(deed, { maxLength: 40 }), carryOut));
});

test('what is there as wished is kept once: the wish stands for it', () => {
  const book = new StateBook();
  const [wish, seen] = [neighbour(1, 1), neighbour(1, 1)];
  book.want(keyOf(wish), wish);
  assert.equal(book.actual(keyOf(wish)), undefined);
  book.see(keyOf(wish), seen);
  assert.equal(book.actual(keyOf(wish)), wish);
  assert.deepEqual(differencesOf(book), []);
});
