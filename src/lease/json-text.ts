import { WeftError } from '../base/errors.ts';
import type { Json } from './lease.ts';

/** What a text says as JSON, and the keys it repeats within one object. */
export interface JsonText {
  readonly value: Json;
  /** Keys given more than once, exactly so spelled; the last one counts. */
  readonly repeated: readonly string[];
}

/** Deeper nesting than any configuration has; keeps recursion bounded on hostile input. */
export const maxJsonDepth = 64;

/**
 * Reads JSON written by people. It accepts what JSON.parse accepts, but a repeated key takes the place of its
 * last mention, as it does for Go's decoder, and is reported; and an error names its line and column.
 * @throws WeftError `json-invalid`
 */
export function parseJsonText(text: string): JsonText {
  const reader: Reader = { text, start: 0, end: 0, token: '', depth: 0, repeated: new Set() };
  advance(reader);
  const value = readValue(reader);
  if (reader.token !== '') throw unexpected(reader, 'the end of the text');
  return { value, repeated: [...reader.repeated] };
}

interface Reader {
  readonly text: string;
  /** The token under the eye, '' at the end of the text, and where it starts and ends. */
  token: string;
  start: number;
  end: number;
  depth: number;
  readonly repeated: Set<string>;
}

/** Punctuation, a string, any other word, a quote that is never closed, or the end. */
const tokens = /[ \t\r\n]*([{}[\]:,]|"[^"\\]*(?:\\[\s\S][^"\\]*)*"|[^ \t\r\n{}[\]:,"]+|"|$)/y;

function advance(reader: Reader): void {
  tokens.lastIndex = reader.end;
  reader.token = tokens.exec(reader.text)?.[1] ?? '';
  reader.end = tokens.lastIndex;
  reader.start = reader.end - reader.token.length;
}

function readValue(reader: Reader): Json {
  if (reader.token === '{') return nested(reader, readObject);
  if (reader.token === '[') return nested(reader, readArray);
  const value = readScalar(reader, 'a value');
  advance(reader);
  return value;
}

function nested(reader: Reader, read: (reader: Reader) => Json): Json {
  reader.depth++;
  if (reader.depth > maxJsonDepth) throw unexpected(reader, `at most ${maxJsonDepth} levels of nesting`);
  advance(reader);
  const value = read(reader);
  advance(reader);
  reader.depth--;
  return value;
}

function readObject(reader: Reader): Json {
  const fields = new Map<string, Json>();
  while (reader.token !== '}') {
    if (fields.size > 0) skip(reader, ',', 'a comma or }');
    const key = readKey(reader);
    skip(reader, ':', 'a colon');
    const value = readValue(reader);
    if (fields.delete(key)) reader.repeated.add(key);
    fields.set(key, value);
  }
  return Object.fromEntries(fields);
}

function readArray(reader: Reader): Json {
  const items: Json[] = [];
  while (reader.token !== ']') {
    if (items.length > 0) skip(reader, ',', 'a comma or ]');
    items.push(readValue(reader));
  }
  return items;
}

function readKey(reader: Reader): string {
  const key = reader.token.startsWith('"') ? readScalar(reader, 'a key') : undefined;
  if (typeof key !== 'string') throw unexpected(reader, 'a key in double quotes');
  advance(reader);
  return key;
}

/** Strings, numbers, true, false and null: JSON.parse knows what they are. */
function readScalar(reader: Reader, expected: string): Json {
  try {
    return JSON.parse(reader.token) as Json;
  } catch {
    throw unexpected(reader, expected);
  }
}

function skip(reader: Reader, punctuation: string, expected: string): void {
  if (reader.token !== punctuation) throw unexpected(reader, expected);
  advance(reader);
}

function unexpected(reader: Reader, expected: string): WeftError {
  const before = reader.text.slice(0, reader.start).split('\n');
  const place = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
  const found = reader.token === '' ? 'the end of the text' : reader.token.slice(0, 40);
  return new WeftError('json-invalid', `invalid JSON at ${place}: expected ${expected}, found ${found}`);
}
