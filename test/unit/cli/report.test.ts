import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { exitCodeOf, renderError } from '../../../src/cli/report.ts';

const codes: ReadonlyArray<readonly [error: unknown, code: number]> = [
  [new WeftError('flag-invalid', 'x'), 2],
  [new WeftError('usage', 'x'), 2],
  [new WeftError('option-invalid', 'x'), 1],
  [new WeftError('config-invalid', 'x'), 1],
  [new TypeError('x'), 1],
  ['x', 1],
];

test('wrong usage ends with 2, everything else with 1', () => {
  for (const [error, code] of codes) assert.equal(exitCodeOf(error), code);
});

const texts: ReadonlyArray<readonly [error: unknown, text: string]> = [
  [new WeftError('x', 'it failed'), 'weft: it failed'],
  [
    new WeftError('x', 'it failed', { remedy: 'try again', cause: new Error('broken') }),
    'weft: it failed: broken\n  what to do: try again',
  ],
  [
    new TypeError('bad'),
    'weft: unexpected error: bad\n  what to do: please report this, with the stack trace that WEFT_DEBUG=1 in the environment adds',
  ],
  [new WeftError('x', 'key \x1b[2J'), 'weft: key \\x1b[2J'],
];

test('an error prints its message, its causes and what to do', () => {
  for (const [error, text] of texts) assert.equal(renderError(error, { stacks: false }), text);
});

test('with stacks, those of the error and of its causes follow', () => {
  const text = renderError(new WeftError('x', 'it failed', { cause: new Error('broken') }), { stacks: true });
  assert.match(text, /^weft: it failed: broken\nWeftError: it failed\n.*report\.test\.ts/s);
  assert.match(text, /caused by Error: broken\n.*report\.test\.ts/s);
});
