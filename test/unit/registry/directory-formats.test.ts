import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../../src/base/errors.ts';
import { parseFile, renderFile } from '../../../src/registry/directory-entry.ts';
import {
  compactJournal,
  type Journal,
  parseJournal,
  renderJournal,
} from '../../../src/registry/directory-journal.ts';
import { keyOfPath, pathOfKey } from '../../../src/registry/directory-key.ts';
import type { Change, StoredEntry } from '../../../src/registry/history.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const dates = fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined });
const spaces = fc.constantFrom('', ' ', '\n', '\t\n');
const values = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.json(),
  fc.tuple(spaces, fc.json(), spaces).map(parts => parts.join('')),
  fc.json().map(json => JSON.stringify(JSON.parse(json), undefined, 2)),
);

test('every value comes back from its file byte for byte', () => {
  fc.assert(
    fc.property(values, fc.integer({ min: 1 }), dates, (value, number, expiresAtMs) => {
      const entry = { value, revision: BigInt(number), expiresAtMs };
      const text = renderFile(entry);
      assert.deepEqual(parseFile(bytes(text)), entry);
      assert.doesNotThrow(() => JSON.parse(text), 'the file is JSON');
    }),
    { numRuns: 1000 },
  );
});

test('a file in our form that a hand laid out differently keeps its meaning', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.boolean(), (value, first) => {
      const expires = '2030-01-01T00:00:00.000Z';
      const file = first ? { value, expires, revision: 7 } : { revision: 7, expires, value };
      const found = parseFile(bytes(JSON.stringify(file, undefined, 4)));
      assert.deepEqual(JSON.parse(found.value), JSON.parse(JSON.stringify(value)));
      assert.equal(found.revision, 7n);
      assert.equal(found.expiresAtMs, Date.parse(expires));
    }),
  );
});

const bare = [
  '{"Network":"10.2.0.0/16"}',
  '{"Network":"10.2.0.0/16","revision":3}',
  '{"revision":3}',
  '{"revision":"3","value":1}',
  '{"revision":3,"value":1,"text":"both"}',
  '[1]',
  'null',
  '{"revision": 5, "value": {"cut of',
];
for (const text of bare) {
  test(`${text} is a value that a hand wrote`, () => {
    assert.deepEqual(parseFile(bytes(text)), { value: text, revision: undefined, expiresAtMs: undefined });
  });
}

test('a byte order mark is no part of the value', () => {
  assert.equal(parseFile(bytes('\ufeff{}')).value, '{}');
});

const keys = fc.constantFrom('config', 'subnets/a', 'subnets/b', 'subnets/10.12.13.0-24&fd00:12:13::-56');

const operations = fc.constantFrom('put' as const, 'move' as const, 'delete' as const);

/** A journal from random operations, as an engine writes it. */
const journals: fc.Arbitrary<Journal> = fc
  .tuple(fc.bigInt({ min: 0n, max: 1000n }), fc.array(fc.tuple(keys, operations, values, dates)))
  .map(([base, all]) => ({
    header: { id: 'one', base },
    checkpoint: [],
    changes: all.map(([key, operation, value, expiresAtMs], index): Change => {
      const revision = base + BigInt(index) + 1n;
      if (operation === 'delete') return { type: 'delete', key, revision };
      const stored = { entry: { key, value, revision, permanent: expiresAtMs === undefined }, expiresAtMs };
      return operation === 'put'
        ? { type: 'put', ...stored }
        : { type: 'move', from: `${key}-before`, ...stored };
    }),
  }));

function replay(journal: Journal): Map<string, StoredEntry['entry']> {
  const entries = new Map(journal.checkpoint.map(({ entry }) => [entry.key, entry]));
  for (const change of journal.changes) {
    if (change.type === 'delete') entries.delete(change.key);
    else entries.set(change.entry.key, change.entry);
    if (change.type === 'move') entries.delete(change.from);
  }
  return entries;
}

test('every journal comes back from its text', () => {
  fc.assert(
    fc.property(journals, journal => assert.deepEqual(parseJournal(renderJournal(journal)), journal)),
  );
});

test('a compacted journal tells its last changes, and leads to the same entries', () => {
  fc.assert(
    fc.property(journals, fc.nat({ max: 10 }), (journal, keep) => {
      const compacted = parseJournal(renderJournal(compactJournal(journal, keep)));
      assert.deepEqual(replay(compacted), replay(journal));
      assert.deepEqual(compacted.changes, journal.changes.slice(Math.max(0, journal.changes.length - keep)));
    }),
  );
});

test('a journal with a line missing in the middle is damaged', () => {
  fc.assert(
    fc.property(
      journals.filter(journal => journal.changes.length > 2),
      fc.nat(),
      (journal, nth) => {
        const lines = renderJournal(journal).split('\n');
        const text = lines.toSpliced(1 + (nth % (journal.changes.length - 1)), 1).join('\n');
        assert.throws(
          () => parseJournal(text),
          error => hasCode(error, 'journal-damaged'),
        );
      },
    ),
  );
});

test('no key, however it is spelled, leads out of the directory or into its own folder', () => {
  const parts = fc.constantFrom(
    '..',
    '.',
    '',
    '/',
    'a',
    '.weft',
    'config',
    '\0',
    '.json',
    '~',
    '%2e',
    '\\',
    ' ',
    'é',
  );
  const spelled = fc.oneof(
    fc.string(),
    fc.array(parts).map(list => list.join('')),
    fc.array(parts).map(list => list.join('/')),
  );
  fc.assert(
    fc.property(spelled, key => {
      let file: string;
      try {
        file = pathOfKey(key);
      } catch (error) {
        return assert.ok(hasCode(error, 'key-invalid'));
      }
      const full = path.join('/registry', file);
      assert.ok(full.startsWith('/registry/') && !full.startsWith('/registry/.weft'));
      assert.equal(full, `/registry/${key}`, 'one key, one file');
      assert.equal(keyOfPath(file), key);
      assert.equal(keyOfPath(`${file}.json`), key);
    }),
    { numRuns: 5000 },
  );
});
