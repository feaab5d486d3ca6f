import { describeError, WeftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { type FlagValue, parseFlagValue } from './flag-value.ts';
import type { FlagTable, FlagValues, ParsedFlags } from './go-flags.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ResolvedFlags<Table extends FlagTable> {
  readonly values: FlagValues<Table>;
  /** What was wrong with variables, as sentences to log; the flags concerned keep their defaults. */
  readonly warnings: readonly string[];
}

/**
 * Fills the flags that the arguments did not give from `FLANNELD_*` variables: `-etcd-endpoints` from
 * `FLANNELD_ETCD_ENDPOINTS`. As in flanneld an empty variable counts as unset, a repeatable flag gets exactly one
 * value (no comma splitting), and a value that does not parse is a warning and leaves the default.
 */
export function applyEnvironment<Table extends FlagTable>(
  table: Table,
  parsed: ParsedFlags<Table>,
  environment: Environment,
): ResolvedFlags<Table> {
  const values: Record<string, FlagValue> = { ...parsed.values };
  const warnings: string[] = [];
  for (const [name, spec] of Object.entries(table)) {
    const text = environment[variableOf(name)];
    if (text === undefined || text === '' || parsed.given.has(name)) continue;
    try {
      const value = parseFlagValue(spec, variableOf(name), text);
      values[name] = spec.kind === 'strings' ? [String(value)] : value;
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      warnings.push(`${describeError(error)}; using the default, ${JSON.stringify(values[name])}`);
    }
  }
  return { values: values as FlagValues<Table>, warnings };
}

const prefix = 'FLANNELD_';

/** The variable that stands for a flag: FLANNELD_ and the name in capitals, `-` as `_`. */
export function variableOf(flag: string): string {
  return prefix + flag.toUpperCase().replaceAll('-', '_');
}

/** A sentence for each `FLANNELD_*` variable that is almost a flag's, which flanneld passes over in silence. */
export function misspeltVariables(table: FlagTable, environment: Environment): string[] {
  const known = Object.keys(table).map(variableOf);
  return Object.keys(environment)
    .filter(name => name.startsWith(prefix) && !known.includes(name))
    .flatMap(name => {
      const near = nearest(
        name.slice(prefix.length),
        known.map(flag => flag.slice(prefix.length)),
      );
      return near === undefined ? [] : [`${name} belongs to no flag; did you mean ${prefix}${near}?`];
    });
}
