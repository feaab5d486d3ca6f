import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { columns, printable, wrap } from '../../../src/cli/wrap.ts';

test('short text stays as it is, indented', () => {
  assert.equal(wrap('one two', { indent: 2, hanging: 4 }), '  one two');
  assert.equal(wrap('one\ntwo', { indent: 2, hanging: 4 }), '  one\n    two');
});

test('a long line breaks between words and goes on indented', () => {
  const words = Array.from({ length: 30 }, () => 'word').join(' ');
  const lines = wrap(words, { hanging: 4 }).split('\n');
  assert.equal(lines[0]?.length, 99);
  assert.equal(lines[1], '    word word word word word word word word word word');
});

test('a word longer than a line stays whole', () => {
  const path = `/${'x'.repeat(150)}`;
  assert.equal(wrap(`reading ${path} failed`), `reading\n${path}\nfailed`);
});

test('wrapping changes nothing but white space, and no line of short words is too long', () => {
  const word = fc.string({ minLength: 1, maxLength: 20, unit: fc.constantFrom(...'abc./-') });
  fc.assert(
    fc.property(fc.array(word), fc.nat(8), fc.nat(8), (words, indent, hanging) => {
      const lines = wrap(words.join(' '), { indent, hanging }).split('\n');
      assert.deepEqual(
        lines.flatMap(line => line.split(' ').filter(Boolean)),
        words,
      );
      assert.ok(lines.every(line => line.length <= columns));
    }),
  );
});

test('printable text has no control character but tab and newline', () => {
  assert.equal(printable('a\tb\nc\x1b[31m\x00\x7f\x9bü→'), 'a\tb\nc\\x1b[31m\\x00\\x7f\\x9bü→');
});

test('colours take no room', () => {
  const plain = 'three peers: two programmed, one missing; one answers, one silent';
  const painted = plain.replace(/programmed|missing|answers|silent/g, word => `\x1b[31m${word}\x1b[39m`);
  const wrapped = wrap(painted, { width: 30, hanging: 2 });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is taken away
  assert.equal(wrapped.replace(/\x1b\[\d+m/g, ''), wrap(plain, { width: 30, hanging: 2 }));
});
