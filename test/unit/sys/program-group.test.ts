import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { identify } from '../../../src/sys/process.ts';
import { type GroupOptions, maxOutputCharacters, runInGroup } from '../../../src/sys/program-group.ts';
import { eventually } from '../../support/eventually.ts';

function options(more: Partial<GroupOptions> = {}): GroupOptions {
  const { signal } = new AbortController();
  return { signal, input: '', env: process.env, timeoutMs: 60_000, onLine() {}, ...more };
}

const shell = (line: string): string[] => ['/bin/sh', '-c', line];

async function isGone(pid: number): Promise<void> {
  await eventually(`process ${pid} to end`, () => identify(pid) === undefined);
}

test('a program gets its arguments, environment and input as they are, and all it prints comes back', async () => {
  const words = ['$(touch x)', 'a  b', '', '-n', '*'];
  const lines: string[] = [];
  const text = await runInGroup(
    [...shell('for word in "$@"; do echo "<$word>"; done; echo "$GREETING" >&2; cat'), 'sh', ...words],
    options({
      input: 'one\n\0two\n',
      env: { ...process.env, GREETING: 'hello' },
      onLine: line => lines.push(line),
    }),
  );
  const expected = [...words.map(word => `<${word}>`), 'hello', 'one', '\0two'].sort();
  // Between the two streams the order is not certain.
  assert.deepEqual(text.trimEnd().split('\n').sort(), expected);
  assert.deepEqual(lines.sort(), expected);
});

const failures: ReadonlyArray<readonly [string, readonly string[], string, RegExp]> = [
  ['a status', shell('echo first; echo the reason; exit 3'), 'program-failed', /status 3: the reason$/],
  ['a signal', shell('kill -9 $$'), 'program-failed', /SIGKILL/],
  ['no such program', ['/nowhere/program'], 'program-missing', /\/nowhere\/program/],
  ['no name', [''], 'program-missing', /""/],
  ['no program', ['/etc/passwd'], 'program-failed', /\/etc\/passwd cannot be started.*EACCES/],
];
test('a program that fails, or cannot be started, is an error that says so', async () => {
  for (const [what, argv, code, message] of failures) {
    await assert.rejects(
      runInGroup(argv, options()),
      error => hasCode(error, code) && message.test(error.message),
      what,
    );
  }
});

test('a program that takes too long is ended', async () => {
  await assert.rejects(
    runInGroup(shell('sleep 1000'), options({ timeoutMs: 50 })),
    error => hasCode(error, 'program-timeout') && /0\.05 s/.test(error.message),
  );
});

const stubborn = [
  ['all in its group', 'sleep 1000 & echo $!; wait'],
  ['even those that SIGTERM does not move', `trap '' TERM; sleep 1000 & echo $!; while :; do wait; done`],
] as const;
test('an abort ends a program, with all in its group', async () => {
  for (const [what, line] of stubborn) {
    const controller = new AbortController();
    const pids: number[] = [];
    const running = runInGroup(
      shell(`echo $$; ${line}`),
      options({
        signal: controller.signal,
        onLine: text => {
          if (pids.push(Number(text)) === 2) controller.abort(new Error('enough'));
        },
      }),
    );
    await assert.rejects(running, /enough/, what);
    assert.equal(pids.length, 2, what);
    for (const pid of pids) await isGone(pid);
  }
});

test('an abort beforehand starts nothing', async () => {
  await assert.rejects(
    runInGroup(shell('true'), options({ signal: AbortSignal.abort(new Error('never')) })),
    /never/,
  );
});

test('what a program leaves in the background stays, and is not waited for', async () => {
  const text = await runInGroup(shell('sleep 1000 & echo $!'), options());
  const pid = Number(text);
  assert.ok(identify(pid));
  process.kill(pid, 'SIGKILL');
  await isGone(pid);
});

test('of endless output the beginning is kept, and long lines are handed on in parts', async () => {
  const lines: string[] = [];
  const text = await runInGroup(
    shell(`head -c 200000 /dev/zero | tr '\\0' x; echo; echo end`),
    options({ onLine: line => lines.push(line) }),
  );
  assert.equal(text, 'x'.repeat(maxOutputCharacters));
  assert.equal(lines.join('').length, 200_003);
  assert.ok(Math.max(...lines.map(line => line.length)) <= 4096 + 65_536);
  assert.equal(lines.at(-1), 'end');
});

test('a program need not read its input', async () => {
  assert.equal(await runInGroup(['true'], options({ input: 'x'.repeat(1_000_000) })), '');
});
