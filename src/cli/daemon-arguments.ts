/** The arguments of a command that looks at the network as the daemon does: the daemon's flags, and some of its own. */
import process from 'node:process';
import { WeftError } from '../base/errors.ts';
import { withFlagsOfDaemon } from './flags-of-daemon.ts';
import { type FlagTable, type FlagValues, parseFlags } from './go-flags.ts';
import { reportWarning } from './report.ts';
import { runFlags } from './run-flags.ts';
import { type RunOptions, readRunOptions } from './run-options.ts';

const { version: _version, ...daemonFlags } = runFlags;

/** The flags of `weft run` behind those of `own`. */
export function withDaemonFlags<Own extends FlagTable>(own: Own): Own & typeof daemonFlags {
  return { ...own, ...daemonFlags };
}

/**
 * Flags that are not given are read from FLANNELD_* variables, but for the command's own; those that are still open are those
 * of the daemon that runs here. Undefined: help is asked for.
 * @throws WeftError `flag-invalid`, `usage`, and see {@link readRunOptions}
 */
export function readDaemonArguments<Own extends FlagTable>(
  own: Own,
  args: readonly string[],
): { readonly values: FlagValues<Own>; readonly options: RunOptions } | undefined {
  const { values, given, rest, help } = parseFlags(withDaemonFlags(own), args, { interspersed: true });
  if (help) return undefined;
  if (rest[0] !== undefined) throw new WeftError('usage', `unexpected argument ${rest[0]}`);
  const forDaemon = Object.keys(daemonFlags)
    .filter(name => given.has(name))
    .flatMap(name => [values[name as keyof typeof values]].flat().map(value => `-${name}=${value}`));
  const all = withFlagsOfDaemon(daemonFlags, forDaemon, process.env);
  const request = readRunOptions(all, process.env);
  if (request.action !== 'run') return undefined;
  request.warnings.forEach(reportWarning);
  return { values, options: request.options };
}
