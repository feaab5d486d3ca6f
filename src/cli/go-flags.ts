import { WeftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { type FlagSpec, type FlagValue, parseFlagValue } from './flag-value.ts';

/** The flags of one command by name, in the order in which help lists them. */
export type FlagTable = Readonly<Record<string, FlagSpec>>;

/** What each flag of a table holds after parsing. */
export type FlagValues<Table extends FlagTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };

type ValueOf<Spec extends FlagSpec> = Spec extends { kind: 'string' }
  ? string
  : Spec extends { kind: 'strings' }
    ? readonly string[]
    : Spec extends { kind: 'int' }
      ? number
      : boolean;

export interface ParsedFlags<Table extends FlagTable> {
  readonly values: FlagValues<Table>;
  /** The names that the arguments gave, for whoever fills in the others. */
  readonly given: ReadonlySet<string>;
  /** What follows the flags: positional arguments. */
  readonly rest: readonly string[];
  /** True when `-h` or `-help` was met; the values are then those before it. */
  readonly help: boolean;
}

export interface FlagParseOptions {
  /** Flags may also follow positional arguments, up to `--`; Go's own parser stops at the first one. */
  readonly interspersed?: boolean | undefined;
}

/**
 * Parses arguments by the rules of Go's `flag` package, as flanneld does: `-name` equals `--name`, a value follows
 * `=` or as the next argument, a boolean takes a value only by `=`, the last of several wins (a `strings` flag
 * keeps all), and parsing stops at `--` or at the first argument that is not a flag.
 * @throws WeftError `flag-invalid`, naming the flag and, when it is unknown, the nearest one
 */
export function parseFlags<Table extends FlagTable>(
  table: Table,
  args: readonly string[],
  { interspersed = false }: FlagParseOptions = {},
): ParsedFlags<Table> {
  const values = defaultsOf(table);
  const given = new Set<string>();
  const rest: string[] = [];
  const result = (help: boolean) => ({ values: values as FlagValues<Table>, given, rest, help });
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? '';
    if (argument === '--' || (!isFlag(argument) && !interspersed)) {
      rest.push(...args.slice(argument === '--' ? index + 1 : index));
      break;
    }
    if (!isFlag(argument)) {
      rest.push(argument);
      continue;
    }
    const { name, attached } = splitFlag(argument);
    const spec = specOf(table, name);
    if (spec === undefined && (name === 'h' || name === 'help')) return result(true);
    if (spec === undefined) throw unknownFlag(name, table);
    const text = attached ?? (spec.kind === 'bool' ? 'true' : args[++index]);
    if (text === undefined) throw flagInvalid(`-${name}: needs a value, and none follows`);
    values[name] = merge(values[name], parseFlagValue(spec, `-${name}`, text));
    given.add(name);
  }
  return result(false);
}

function defaultsOf(table: FlagTable): Record<string, FlagValue> {
  return Object.fromEntries(
    Object.entries(table).map(([name, spec]) => [name, spec.kind === 'strings' ? [] : spec.default]),
  );
}

function isFlag(argument: string): boolean {
  return argument.length > 1 && argument.startsWith('-');
}

function splitFlag(argument: string): { name: string; attached: string | undefined } {
  const text = argument.slice(argument.startsWith('--') ? 2 : 1);
  if (text.startsWith('-') || text.startsWith('=')) {
    throw flagInvalid(`${argument}: expected a flag, -name or --name`);
  }
  const equals = text.indexOf('=');
  return equals === -1
    ? { name: text, attached: undefined }
    : { name: text.slice(0, equals), attached: text.slice(equals + 1) };
}

function specOf(table: FlagTable, name: string): FlagSpec | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** A repeatable flag gathers its values; of any other the last one stays. */
function merge(old: FlagValue | undefined, value: Exclude<FlagValue, readonly string[]>): FlagValue {
  return Array.isArray(old) ? [...old, String(value)] : value;
}

function unknownFlag(name: string, table: FlagTable): WeftError {
  // Any single letter is near to any other.
  const near = name.length > 1 ? nearest(name, Object.keys(table)) : undefined;
  return flagInvalid(`-${name}: unknown flag${near === undefined ? '' : `; did you mean -${near}?`}`);
}

function flagInvalid(message: string): WeftError {
  return new WeftError('flag-invalid', message);
}
