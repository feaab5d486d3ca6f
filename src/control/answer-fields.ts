/** Fields of a daemon's answer, which may be of another version than who asks: keys that are not known do no harm. */
import { WeftError } from '../base/errors.ts';
import { type IpAddress, tryParseIp } from '../base/ip.ts';

export type AnswerFields = Readonly<Record<string, unknown>>;

/** All functions here throw WeftError `door-refused` for what no daemon of ours would say. */
export function fieldsOf(value: unknown, what: string): AnswerFields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as AnswerFields;
  throw oddAnswer(what, 'an object', value);
}

export function textIn(fields: AnswerFields, name: string): string {
  const value = fields[name];
  if (typeof value === 'string') return value;
  throw oddAnswer(name, 'text', value);
}

export function numberIn(fields: AnswerFields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number') return value;
  throw oddAnswer(name, 'a number', value);
}

export function booleanIn(fields: AnswerFields, name: string): boolean {
  const value = fields[name];
  if (typeof value === 'boolean') return value;
  throw oddAnswer(name, 'true or false', value);
}

export function listIn(fields: AnswerFields, name: string): readonly unknown[] {
  const value = fields[name];
  if (Array.isArray(value)) return value;
  throw oddAnswer(name, 'a list', value);
}

export function wordIn<W extends string | number>(
  fields: AnswerFields,
  name: string,
  words: readonly W[],
): W {
  const found = words.find(word => word === fields[name]);
  if (found !== undefined) return found;
  throw oddAnswer(name, words.join(' or '), fields[name]);
}

export function addressIn(fields: AnswerFields, name: string): IpAddress {
  const address = tryParseIp(textIn(fields, name));
  if (address !== undefined) return address;
  throw oddAnswer(name, 'an address', fields[name]);
}

/** Undefined where there is none: JSON leaves out what is undefined. */
export function optional<T>(
  fields: AnswerFields,
  name: string,
  read: (fields: AnswerFields, name: string) => T,
): T | undefined {
  return fields[name] === undefined || fields[name] === null ? undefined : read(fields, name);
}

function oddAnswer(name: string, expected: string, found: unknown): WeftError {
  const said = (JSON.stringify(found) ?? 'nothing').slice(0, 60);
  return new WeftError(
    'door-refused',
    `the daemon's answer has for ${name}: expected ${expected}, got ${said}`,
    {
      remedy: 'let daemon and program be of one version: restart the daemon',
    },
  );
}
