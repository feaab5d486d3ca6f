import { WeftError } from '../base/errors.ts';
import type { Revision } from './registry.ts';

/** What a file of the directory says. */
export interface FileEntry {
  readonly value: string;
  /** Undefined in a file that a hand wrote. */
  readonly revision: Revision | undefined;
  /** Wall clock; undefined when it never expires. */
  readonly expiresAtMs: number | undefined;
}

/** Longest file taken for an entry, as etcd's usual limit for a request. */
export const maxFileBytes = 1.5 * 1024 * 1024;

/**
 * The file of an entry. A value that is JSON stands there as it was written, for people to read; anything else
 * as a JSON string:
 *
 *     {
 *       "revision": 12,
 *       "expires": "2026-11-25T06:00:00.000Z",
 *       "value": {"PublicIP":"192.168.3.1", ...}
 *     }
 */
export function renderFile(entry: FileEntry & { readonly revision: Revision }): string {
  const lines = [`"revision": ${entry.revision}`];
  if (entry.expiresAtMs !== undefined)
    lines.push(`"expires": "${new Date(entry.expiresAtMs).toISOString()}"`);
  lines.push(
    tryParse(entry.value) === undefined
      ? `"text": ${JSON.stringify(entry.value)}`
      : `"value": ${entry.value}`,
  );
  return `{\n  ${lines.join(',\n  ')}\n}\n`;
}

/**
 * Reads the file of an entry. A file that is not of the form above is one that a hand wrote: the whole text is
 * the value, as it would be in etcd, and it never expires.
 * @throws WeftError `file-malformed` for what cannot be a value at all
 */
export function parseFile(bytes: Uint8Array): FileEntry {
  const text = decode(bytes);
  if (text.trim() === '') throw malformed('it is empty');
  const parsed = tryParse(text);
  if (!isEnvelope(parsed)) return { value: text, revision: undefined, expiresAtMs: undefined };
  const { revision, expires } = parsed;
  const expiresAtMs = expires === undefined ? undefined : Date.parse(expires);
  if (Number.isNaN(expiresAtMs)) throw malformed(`"expires" is ${JSON.stringify(expires)}, expected a date`);
  const value = parsed.text ?? valueText(text) ?? textOf(parsed.value);
  return { value, revision: BigInt(revision), expiresAtMs };
}

interface Envelope {
  readonly revision: number;
  readonly expires?: string;
  readonly value?: unknown;
  readonly text?: string;
}

const envelopeKeys = new Set(['revision', 'expires', 'value', 'text']);

/** Exactly our keys: a network config has others, a lease too. */
function isEnvelope(parsed: unknown): parsed is Envelope {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return false;
  const { revision, expires, text } = parsed as Partial<Record<keyof Envelope, unknown>>;
  return (
    Object.keys(parsed).every(key => envelopeKeys.has(key)) &&
    Number.isSafeInteger(revision) &&
    (expires === undefined || typeof expires === 'string') &&
    (text === undefined ? 'value' in parsed : typeof text === 'string' && !('value' in parsed))
  );
}

/** The value byte for byte, when the file is laid out as we lay it out; a file that a hand changed may not be. */
function valueText(text: string): string | undefined {
  const head = /^\{\n {2}"revision": \d+,\n(?: {2}"expires": "[^"\n]*",\n)? {2}"value": /.exec(text)?.[0];
  if (head === undefined || !text.endsWith('\n}\n')) return undefined;
  const value = text.slice(head.length, -'\n}\n'.length);
  return tryParse(value) === undefined ? undefined : value;
}

/** Older versions of Node recurse when they write JSON, not when they read it: so deep nesting is met only here. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw malformed('its value is nested too deeply', cause);
  }
}

/** Fatal: half a character means half a file. A byte order mark, as some editors write, is no part of the value. */
function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw malformed('it is not UTF-8', cause);
  }
}

/** The value of a JSON text; undefined when it is none. (JSON itself has no undefined.) */
function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function malformed(why: string, cause?: unknown): WeftError {
  return new WeftError('file-malformed', why, { cause });
}
