import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import type { Log } from '../../../src/base/log.ts';
import { createLog, type LogOptions } from '../../../src/cli/log.ts';

/** What `write` logs, line by line. */
function logged(
  options: Partial<LogOptions> & { readonly isTTY?: boolean },
  write: (log: Log) => void,
): string[] {
  const lines: string[] = [];
  const stream = { isTTY: options.isTTY, write: (text: string) => lines.push(text) };
  write(createLog({ format: 'auto', verbosity: 0, stream, ...options }));
  assert.ok(lines.every(line => line.endsWith('\n')));
  return lines.map(line => line.slice(0, -1));
}

const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/;

function textOf(fields: object, message = 'said'): string {
  const [line = ''] = logged({}, log => log.info(fields, message));
  assert.match(line, time);
  return line.replace(time, 'TIME');
}

const lines: ReadonlyArray<readonly [fields: object, text: string]> = [
  [{}, 'TIME info  said'],
  [{ peers: 3, subnet: '10.2.14.0/24', on: true }, 'TIME info  said peers=3 subnet=10.2.14.0/24 on=true'],
  [{ words: 'two words', empty: '', none: null }, 'TIME info  said words="two words" empty="" none=null'],
  [{ list: ['eth0', 'eth1'], nothing: [] }, 'TIME info  said list=eth0,eth1 nothing=[]'],
  [{ object: { a: 1 } }, 'TIME info  said object={"a":1}'],
  [{ revision: 12n }, 'TIME info  said revision=12'],
  [{ left: undefined }, 'TIME info  said'],
  [{ text: 'a=b' }, 'TIME info  said text="a=b"'],
  [{ text: 'line\nline' }, 'TIME info  said text="line\\nline"'],
  [{ text: '\x1b[2J\x9b' }, 'TIME info  said text="\\u001b[2J\\x9b"'],
  [
    { password: 'hunter2', etcd: { password: 'hunter2' } },
    'TIME info  said password=*** etcd={"password":"***"}',
  ],
  [
    { error: new WeftError('etcd-down', 'etcd is down', { cause: new Error('ECONNREFUSED') }) },
    'TIME info  said error="etcd is down: ECONNREFUSED [etcd-down]"',
  ],
  [{ cause: new Error('broken') }, 'TIME info  said cause=broken'],
];

test('a line of text is time, level, sentence and fields', () => {
  for (const [fields, text] of lines) assert.equal(textOf(fields), text);
});

test('control characters in a sentence cannot steer a terminal', () => {
  assert.equal(textOf({}, 'key \x1b[2J\r\x07'), 'TIME info  key \\x1b[2J\\x0d\\x07');
});

test('a terminal shows the time of day and colours, without colours when NO_COLOR says so', () => {
  const write = (log: Log) => log.warn({ peers: 3 }, 'said');
  const [coloured = ''] = logged({ isTTY: true }, write).map(line => line.replaceAll('\x1b', 'ESC'));
  assert.match(
    coloured,
    /^ESC\[2m\d\d:\d\d:\d\d\.\d{3}ESC\[0m ESC\[33mwarn ESC\[0m said ESC\[2mpeers=ESC\[0m3$/,
  );
  const [bare = ''] = logged({ isTTY: true, noColour: true }, write);
  assert.match(bare, /^\d\d:\d\d:\d\d\.\d{3} warn {2}said peers=3$/);
});

test('JSON has ISO time, the level’s name, the sentence and the fields', () => {
  const [line = ''] = logged({ format: 'json', isTTY: true }, log => {
    log.error({ peers: 3, password: 'hunter2', error: new WeftError('x-failed', 'x') }, 'said');
  });
  const { time: when, ...rest } = JSON.parse(line);
  assert.match(when, time);
  assert.deepEqual(rest, { level: 'error', peers: 3, password: '***', error: 'x [x-failed]', msg: 'said' });
});

test('debug shows only with a verbosity of one or more', () => {
  const write = (log: Log) => {
    log.debug({}, 'detail');
    log.info({}, 'normal');
  };
  const levels = (verbosity: number) => logged({ verbosity }, write).map(line => line.split(/ +/)[1]);
  assert.deepEqual(levels(0), ['info']);
  assert.deepEqual(levels(1), ['debug', 'info']);
  assert.deepEqual(levels(6), ['debug', 'info']);
});

test('stack traces show only when they are asked for, on the same line', () => {
  const write = (log: Log) => log.error({ error: new Error('broken') }, 'said');
  assert.doesNotMatch(logged({}, write).join('\n'), /log\.test\.ts/);
  const asked = logged({ stacks: true }, write);
  assert.equal(asked.length, 1);
  assert.match(asked[0] ?? '', /log\.test\.ts/);
});
