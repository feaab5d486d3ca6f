import { WeftError } from '../base/errors.ts';
import type { FlagTable } from './go-flags.ts';

/** An option letter: whether a value belongs to it. */
export type OptionLetters = Readonly<Record<string, 'switch' | 'value'>>;

/**
 * Parses options as the shell's `getopts` does: `-i -c`, `-ic`, `-f FILE`, `-fFILE`; the last of several wins;
 * parsing stops at `--` or at the first argument that is no option, and what follows is not looked at.
 * @returns the letters given, each with its value ('' for a switch)
 * @throws WeftError `usage` for an unknown letter or a missing value
 */
export function parseGetopts(letters: OptionLetters, args: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let index = 0; index < args.length; index++) {
    const argument = args[index] ?? '';
    if (argument === '--' || argument === '-' || !argument.startsWith('-')) break;
    for (let at = 1; at < argument.length; at++) {
      const letter = argument.charAt(at);
      const kind = Object.hasOwn(letters, letter) ? letters[letter] : undefined;
      if (kind === undefined) throw new WeftError('usage', `-${letter}: unknown option`);
      if (kind === 'switch') {
        found.set(letter, '');
        continue;
      }
      const value = at + 1 < argument.length ? argument.slice(at + 1) : args[++index];
      if (value === undefined) throw new WeftError('usage', `-${letter}: needs a value, and none follows`);
      found.set(letter, value);
      break;
    }
  }
  return found;
}

/** The letters of a table of flags whose names are letters. */
export function lettersOf(table: FlagTable): OptionLetters {
  return Object.fromEntries(
    Object.entries(table).map(([letter, { kind }]) => [letter, kind === 'bool' ? 'switch' : 'value']),
  );
}
