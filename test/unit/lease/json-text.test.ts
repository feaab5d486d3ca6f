import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { maxJsonDepth, parseJsonText } from '../../../src/lease/json-text.ts';

/** What JSON.parse says: the value, or undefined when it throws. */
function twin(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function read(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: parseJsonText(text).value };
  } catch {
    return undefined;
  }
}

test('any JSON is read as JSON.parse reads it, whatever its white space', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(undefined, 2, '\t'), (text, indent) => {
      const written = JSON.stringify(JSON.parse(text), undefined, indent);
      assert.deepEqual(parseJsonText(`\r\n ${written}\t`).value, JSON.parse(written));
    }),
  );
});

test('damaged JSON is refused exactly when JSON.parse refuses it', () => {
  const character = fc.oneof(fc.constantFrom(...'{}[]:,"\\0-.eEtn \n\u00a0\u0000'.split('')), fc.string());
  const damaged = fc
    .tuple(fc.json({ maxDepth: 3 }), fc.nat(60), fc.nat(3), character)
    .map(([text, at, length, other]) => text.slice(0, at) + other + text.slice(at + length));
  fc.assert(
    fc.property(damaged, text => assert.deepEqual(read(text), twin(text))),
    { numRuns: 3000 },
  );
});

test('an error tells line, column, what was expected and what is there', () => {
  const cases = [
    ['', 'line 1, column 1: expected a value, found the end of the text'],
    ['{"a": 1,\n "b": }', 'line 2, column 7: expected a value, found }'],
    ['{"a": 1\n  "b": 2}', 'line 2, column 3: expected a comma or }, found "b"'],
    ['{"a" 1}', 'line 1, column 6: expected a colon, found 1'],
    ['{a: 1}', 'line 1, column 2: expected a key in double quotes, found a'],
    ['{"a": 1,}', 'line 1, column 9: expected a key in double quotes, found }'],
    ['[1 2]', 'line 1, column 4: expected a comma or ], found 2'],
    ['{} {}', 'line 1, column 4: expected the end of the text, found {'],
    ['"open', 'line 1, column 1: expected a value, found "'],
    ['{"a": "\\x"}', 'line 1, column 7: expected a value, found "\\x"'],
    ["{'a': 1}", "line 1, column 2: expected a key in double quotes, found 'a'"],
    ['{"a": 010}', 'line 1, column 7: expected a value, found 010'],
    ['\ufeff{}', 'line 1, column 1: expected a value, found \ufeff'],
  ] as const;
  for (const [text, message] of cases) {
    assert.throws(() => parseJsonText(text), { code: 'json-invalid', message: `invalid JSON at ${message}` });
  }
});

test('a repeated key is reported and stands where it was last', () => {
  const { value, repeated } = parseJsonText('{"a": 1, "A": 2, "b": {"c": 1, "c": 2}, "a": 3}');
  assert.equal(JSON.stringify(value), '{"A":2,"b":{"c":2},"a":3}');
  assert.deepEqual(repeated, ['c', 'a']);
  assert.deepEqual(parseJsonText('{"a": {"b": 1}, "b": 1}').repeated, []);
});

test('nesting is bounded, so that no text can exhaust the stack', () => {
  const nest = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  assert.doesNotThrow(() => parseJsonText(nest(maxJsonDepth)));
  for (const text of [nest(maxJsonDepth + 1), '['.repeat(1_000_000), '{"a":'.repeat(1_000_000)]) {
    assert.throws(() => parseJsonText(text), { code: 'json-invalid', message: /at most 64 levels/ });
  }
  const siblings = `[${Array.from({ length: 200 }, () => nest(10)).join()}]`;
  assert.doesNotThrow(() => parseJsonText(siblings));
});

test('a key that JavaScript gives a meaning is only a key', () => {
  const { value } = parseJsonText('{"__proto__": {"polluted": true}, "constructor": 1}');
  assert.deepEqual(Object.keys(value as object), ['__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});
