import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame, watchStatus } from '../../../src/cli/status-watch.ts';

/** A terminal of so many rows, as far as {@link frame} uses one. */
function paint(screen: string[], text: string): string[] {
  let [row, column] = [0, 0];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a terminal is told by
  for (const [token] of text.matchAll(/\x1b\[[HKJ]|\n|[^\x1b\n]+/g)) {
    const line = screen[row] ?? '';
    if (token === '\x1b[H') [row, column] = [0, 0];
    else if (token === '\x1b[K') screen[row] = line.slice(0, column);
    else if (token === '\x1b[J')
      screen.splice(row, screen.length, ...(column > 0 ? [line.slice(0, column)] : []));
    else if (token === '\n') [row, column] = [row + 1, 0];
    else {
      screen[row] = line.slice(0, column) + token + line.slice(column + token.length);
      column += token.length;
    }
  }
  return screen;
}

test('a frame shows its text and nothing of the one before, whatever that was', () => {
  const screen = ['$ weft status -watch', 'older words', 'and more of them'];
  for (const text of ['one\ntwo\nthree', 'a much longer line\ntwo', 'x', '', 'one\n\nthree']) {
    assert.deepEqual(paint(screen, frame(text, 10, text === 'one\ntwo\nthree')), text.split('\n'));
  }
});

test('a frame is never empty in between: only what is over it is erased', () => {
  assert.ok(!frame('one\ntwo', 10).slice(0, -4).includes('\x1b[J'));
});

test('of what is higher than the screen the beginning is shown, and how much is left', () => {
  const text = Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n');
  const shown = paint([], frame(text, 24));
  assert.equal(shown.length, 23);
  assert.equal(shown[21], 'line 21');
  assert.match(shown[22] ?? '', /^\.\.\. 78 more lines/);
});

for (const isTTY of [true, false])
  test(`it is read again and again until the signal, ${isTTY ? 'over itself' : 'one after the other'}`, async () => {
    const ending = new AbortController();
    const written: string[] = [];
    let reads = 0;
    await watchStatus({
      screen: { isTTY, rows: 24, write: text => written.push(text) },
      intervalMs: 1,
      separator: () => '# now\n',
      signal: ending.signal,
      read: async () => {
        if (++reads === 4) ending.abort(new Error('interrupted'));
        ending.signal.throwIfAborted();
        return `status ${reads}`;
      },
    });
    const expected = isTTY
      ? [1, 2, 3].map(index => frame(`status ${index}`, 24, index === 1))
      : [1, 2, 3].map(index => `# now\nstatus ${index}\n`);
    assert.deepEqual(written, expected);
  });

test('what is no interruption is not swallowed', async () => {
  const { signal } = new AbortController();
  const read = () => Promise.reject(new Error('broken'));
  const screen = { write: () => {} };
  await assert.rejects(watchStatus({ screen, intervalMs: 1, separator: () => '', signal, read }), /broken/);
});
