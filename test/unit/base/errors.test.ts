import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeError, hasCode, WeftError } from '../../../src/base/errors.ts';

test('a WeftError carries its code, its remedy and its cause', () => {
  const cause = new Error('ENOENT');
  const error = new WeftError('config-missing', 'no config', { cause, remedy: 'put one' });
  assert.deepEqual(
    [error.name, error.code, error.message, error.remedy, error.cause],
    ['WeftError', 'config-missing', 'no config', 'put one', cause],
  );
  assert.ok(error instanceof Error);
  assert.equal('cause' in new WeftError('x', 'without'), false);
});

test('a code is recognised on a WeftError only', () => {
  assert.ok(hasCode(new WeftError('a', ''), 'a'));
  assert.ok(!hasCode(new WeftError('b', ''), 'a'));
  assert.ok(!hasCode(Object.assign(new Error('foreign'), { code: 'a' }), 'a'));
  assert.ok(!hasCode(undefined, 'a'));
});

const circular = new Error('round');
circular.cause = circular;
const aggregate = new AggregateError(
  [new Error('socket: EBADF'), new Error('timer: gone')],
  'closing failed',
);
const circularAggregate = new AggregateError([], 'all');
circularAggregate.errors.push(circularAggregate);

test('an error is told in one line with whatever its causes add', () => {
  const cases: ReadonlyArray<readonly [unknown, string]> = [
    [new Error('top', { cause: new Error('middle', { cause: new Error('bottom') }) }), 'top: middle: bottom'],
    [new Error('open failed: ENOENT', { cause: new Error('ENOENT') }), 'open failed: ENOENT'],
    [new Error('top', { cause: 'a string' }), 'top: a string'],
    ['not an error', 'not an error'],
    [undefined, 'undefined'],
    [null, 'null'],
    [circular, 'round'],
    [aggregate, 'closing failed: socket: EBADF; timer: gone'],
    [
      new AggregateError([new Error('ECONNREFUSED ::1'), new Error('ECONNREFUSED 127.0.0.1')]),
      'ECONNREFUSED ::1; ECONNREFUSED 127.0.0.1',
    ],
    [
      new Error('stop failed', { cause: aggregate }),
      'stop failed: closing failed: socket: EBADF; timer: gone',
    ],
    [new AggregateError([], ''), 'AggregateError'],
    [new TypeError(''), 'TypeError'],
    [circularAggregate, 'all: all: all: all: all: AggregateError'],
  ];
  for (const [error, expected] of cases) assert.equal(describeError(error), expected);
});
