import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, tryParseIp } from '../base/ip.ts';
import { nearest } from '../base/nearest.ts';
import { type Prefix, prefixFamily, tryParsePrefix } from '../base/prefix.ts';
import type { Json } from './lease.ts';

export type JsonObject = Readonly<Record<string, Json>>;

/** One key of an object: what its value must be, and what it is when it is not given. */
export type FieldSpec =
  | { readonly type: 'boolean'; readonly default?: boolean }
  /** A whole number; `min` is 0 unless given. `example` is for a remedy, where no default can serve as one. */
  | {
      readonly type: 'integer';
      readonly default?: number;
      readonly min?: number;
      readonly max?: number;
      readonly example?: number;
    }
  /** A `secret` is never shown, not even in an error. */
  | { readonly type: 'string'; readonly default?: string; readonly secret?: boolean }
  /** Host bits are masked off. */
  | { readonly type: 'prefix'; readonly family: Family }
  | { readonly type: 'address'; readonly family: Family }
  | { readonly type: 'json' }
  /** Known, but without meaning here: a warning says why. */
  | { readonly type: 'ignored'; readonly because: string };

/** The keys an object may have, in their documented spelling. */
export type FieldSpecs = Readonly<Record<string, FieldSpec>>;

type Read<S> = S extends { readonly type: 'boolean' }
  ? boolean
  : S extends { readonly type: 'integer' }
    ? number
    : S extends { readonly type: 'string' }
      ? string
      : S extends { readonly type: 'prefix' }
        ? Prefix
        : S extends { readonly type: 'address' }
          ? IpAddress
          : S extends { readonly type: 'json' }
            ? Json
            : undefined;

/** The values read by a table of specs; undefined for what was neither given nor has a default. */
export type FieldValues<T extends FieldSpecs> = {
  readonly [Key in keyof T]: T[Key] extends { readonly default: unknown }
    ? Read<T[Key]>
    : Read<T[Key]> | undefined;
};

/**
 * Reads an object as Go's encoding/json fills a struct: keys match in any case, the last mention wins, null
 * leaves a scalar at its default (but is no prefix), a value of the wrong type is an error. Unlike Go, an unknown
 * or repeated key gets a warning.
 * @param owner the key that holds the object, for messages; '' at the top
 * @throws WeftError `config-invalid`
 */
export function readFields<const T extends FieldSpecs>(
  object: JsonObject,
  specs: T,
  owner: string,
): { readonly values: FieldValues<T>; readonly warnings: readonly string[] } {
  const folded = foldFields(object, Object.keys(specs));
  const warnings = [
    ...unknownWarnings(folded.others, specs, owner),
    ...repeatedWarnings(folded.repeated, owner),
  ];
  const values: Record<string, unknown> = {};
  for (const [key, spec] of Object.entries(specs)) {
    const name = owner === '' ? key : `${owner}.${key}`;
    if (spec.type === 'ignored') {
      if (folded.known.has(key)) warnings.push(`${name} is ignored: ${spec.because}`);
    } else {
      values[key] = readField(name, spec, folded.known.get(key));
    }
  }
  return { values: values as FieldValues<T>, warnings };
}

/** An object's fields sorted by whether their key, in any case, is one of `names`. */
export function foldFields<Name extends string>(
  object: JsonObject,
  names: readonly Name[],
): FoldedFields<Name> {
  const known = new Map<Name, Json>();
  const repeated: Name[] = [];
  const others: Array<readonly [string, Json]> = [];
  for (const [key, value] of Object.entries(object)) {
    const name = nameOf(key, names);
    if (name === undefined) {
      others.push([key, value]);
    } else {
      if (known.has(name)) repeated.push(name);
      known.set(name, value);
    }
  }
  return { known, others, repeated };
}

/** Those of an object's fields whose key, in any case, is one of `names`; of several that are one, the last. */
export function knownFields<Name extends string>(
  object: JsonObject,
  names: readonly Name[],
): { readonly [name in Name]?: Json } {
  const known: { [name in Name]?: Json } = {};
  for (const key in object) {
    const name = nameOf(key, names);
    if (name !== undefined) known[name] = object[key] as Json;
  }
  return known;
}

/** Which of `names` a key is, in whatever case. */
function nameOf<Name extends string>(key: string, names: readonly Name[]): Name | undefined {
  // As it is documented, it nearly always is.
  if ((names as readonly string[]).includes(key)) return key as Name;
  const lower = key.toLowerCase();
  return names.find(name => name.toLowerCase() === lower);
}

export interface FoldedFields<Name extends string> {
  /** By documented spelling. */
  readonly known: ReadonlyMap<Name, Json>;
  readonly others: ReadonlyArray<readonly [string, Json]>;
  /** Names that came in two spellings. */
  readonly repeated: readonly Name[];
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as shown in a message: its JSON, shortened. */
export function showJson(value: Json): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

export function repeatedWarnings(keys: Iterable<string>, owner: string): string[] {
  const place = owner === '' ? '' : ` in ${owner}`;
  return Array.from(keys, key => `key "${key}"${place} is given more than once: the last one counts`);
}

function unknownWarnings(others: FoldedFields<string>['others'], specs: FieldSpecs, owner: string): string[] {
  const place = owner === '' ? '' : ` in ${owner}`;
  return others.map(([key]) => {
    const meant = nearest(key, Object.keys(specs));
    return `unknown key ${showJson(key)}${place}${meant === undefined ? '' : ` (did you mean "${meant}"?)`}`;
  });
}

type ReadableSpec = Exclude<FieldSpec, { readonly type: 'ignored' }>;

function readField(name: string, spec: ReadableSpec, value: Json | undefined): unknown {
  const missing = value === undefined || (value === null && spec.type !== 'json' && spec.type !== 'prefix');
  if (missing) return 'default' in spec ? spec.default : undefined;
  const read = readValue(spec, value);
  if (read !== undefined) return read;
  const { expected, example } = expectationOf(spec);
  const found = spec.type === 'string' && spec.secret === true ? 'something else' : showJson(value);
  throw new WeftError('config-invalid', `${name}: expected ${expected}, found ${found}`, {
    remedy: `write "${name.slice(name.lastIndexOf('.') + 1)}": ${example}${spec.type === 'prefix' ? '' : ', or leave the key out'}`,
  });
}

/** The value as the spec wants it, undefined when it is something else. */
function readValue(spec: ReadableSpec, value: Json): Json | undefined {
  switch (spec.type) {
    case 'json':
      return value;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'string':
      return typeof value === 'string' ? value : undefined;
    case 'integer':
      return isWithin(value, spec.min ?? 0, spec.max ?? Number.MAX_SAFE_INTEGER) ? value : undefined;
    case 'prefix': {
      const prefix = typeof value === 'string' ? tryParsePrefix(value) : undefined;
      return prefix !== undefined && prefixFamily(prefix) === spec.family ? prefix : undefined;
    }
    case 'address': {
      const address = typeof value === 'string' ? tryParseIp(value) : undefined;
      return address !== undefined && familyOf(address) === spec.family ? address : undefined;
    }
  }
}

function isWithin(value: Json, min: number, max: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
}

function expectationOf(spec: ReadableSpec): { readonly expected: string; readonly example: string } {
  switch (spec.type) {
    case 'json':
      return { expected: 'any value', example: '{}' };
    case 'boolean':
      return { expected: 'true or false', example: 'true' };
    case 'string':
      return { expected: 'a string', example: '"..."' };
    case 'integer': {
      const range =
        spec.max === undefined ? `, ${spec.min ?? 0} or more` : ` from ${spec.min ?? 0} to ${spec.max}`;
      return {
        expected: `a whole number${range}`,
        example: String(spec.default ?? spec.example ?? spec.min ?? 0),
      };
    }
    case 'prefix':
      return {
        expected: `an IPv${spec.family} prefix`,
        example: spec.family === 4 ? '"10.5.0.0/16"' : '"fd00:10:5::/48"',
      };
    case 'address':
      return {
        expected: `an IPv${spec.family} address`,
        example: spec.family === 4 ? '"10.5.1.0"' : '"fd00:10:5:1::"',
      };
  }
}
