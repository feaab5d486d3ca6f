import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { parseGetopts } from '../../../src/cli/getopts.ts';

const letters = { f: 'value', k: 'value', i: 'switch', c: 'switch' } as const;

const taken: ReadonlyArray<readonly [args: readonly string[], found: Readonly<Record<string, string>>]> = [
  [[], {}],
  [['-i', '-c'], { i: '', c: '' }],
  [['-ic'], { i: '', c: '' }],
  [['-f', 'x'], { f: 'x' }],
  [['-fx'], { f: 'x' }],
  [['-if', 'x', '-k', 'y'], { i: '', f: 'x', k: 'y' }],
  [['-f', '-i'], { f: '-i' }],
  [['-f', ''], { f: '' }],
  [['-f', 'x', '-f', 'y'], { f: 'y' }],
  [['-i', '--', '-c'], { i: '' }],
  [['-i', 'word', '-c'], { i: '' }],
  [['-', '-c'], {}],
];

test('options are taken as by the shell’s getopts', () => {
  for (const [args, found] of taken) {
    assert.deepEqual(Object.fromEntries(parseGetopts(letters, args)), found, args.join(' '));
  }
});

const refused: ReadonlyArray<readonly [args: readonly string[], message: string]> = [
  [['-x'], '-x: unknown option'],
  [['-ix'], '-x: unknown option'],
  [['--help'], '--: unknown option'],
  [['-i', '-f'], '-f: needs a value, and none follows'],
];

test('unknown letters and missing values are wrong usage', () => {
  for (const [args, message] of refused) {
    assert.throws(
      () => parseGetopts(letters, args),
      (error: unknown) => error instanceof WeftError && error.code === 'usage' && error.message === message,
    );
  }
});
