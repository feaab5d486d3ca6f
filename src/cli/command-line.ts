import type { CommandDescription, Operand } from './description.ts';
import type { FlagDescription } from './flag-description.ts';

/** A command and the words behind those that name it. */
export interface Descent {
  readonly command: CommandDescription;
  readonly rest: readonly string[];
}

/** Goes down from a command as far as the words name commands. */
export function descend(command: CommandDescription, words: readonly string[]): Descent {
  const next = command.commands.find(({ path }) => path.at(-1) === words[0]);
  return next === undefined ? { command, rest: words } : descend(next, words.slice(1));
}

/** What the words of an unfinished command line have given so far, wrong ones included. */
export interface CommandLine {
  /** By flag, its values so far. */
  readonly given: ReadonlyMap<FlagDescription, readonly string[]>;
  /** Words that look like flags and are none. */
  readonly unknown: readonly string[];
  readonly operands: readonly string[];
  /** The flag whose value comes next. */
  readonly waiting: FlagDescription | undefined;
  /** True when no flag of ours can follow. */
  readonly ended: boolean;
}

/** Reads the words behind a command's name by its description alone. */
export function readCommandLine(command: CommandDescription, words: readonly string[]): CommandLine {
  const given = new Map<FlagDescription, string[]>();
  const unknown: string[] = [];
  const operands: string[] = [];
  let waiting: FlagDescription | undefined;
  let ended = false;
  let separated = false;
  for (const word of words) {
    if (waiting !== undefined) {
      given.get(waiting)?.push(word);
      waiting = undefined;
    } else if (word === '--' && !separated) {
      separated = true;
      ended = true;
    } else if (ended || !/^-./.test(word)) {
      operands.push(word);
      ended ||= isForeign(operandAt(command, operands.length));
    } else {
      const { flag, attached } = readFlag(command, word);
      if (flag === undefined) {
        unknown.push(word);
        continue;
      }
      given.set(flag, [...(given.get(flag) ?? []), ...(attached === undefined ? [] : [attached])]);
      if (!flag.isSwitch && attached === undefined) waiting = flag;
    }
  }
  return { given, unknown, operands, waiting, ended };
}

/** The flag that a word gives, and the value within the same word. */
export function readFlag(
  { flags, syntax }: CommandDescription,
  word: string,
): { readonly flag: FlagDescription | undefined; readonly attached: string | undefined } {
  const lettered = syntax === 'getopts' && !word.startsWith('--');
  const cut = lettered ? 2 : word.indexOf('=');
  const [name, rest] = cut === -1 ? [word, ''] : [word.slice(0, cut), word.slice(cut)];
  const attached = rest === '' ? undefined : rest.slice(lettered ? 0 : 1);
  return { flag: flags.find(({ forms }) => forms.includes(name)), attached };
}

/** The operand at a place; the last one may be repeated. */
export function operandAt({ operands }: CommandDescription, index: number): Operand | undefined {
  const last = operands.at(-1);
  return operands[index] ?? (last?.repeatable ? last : undefined);
}

/** From the place of a program and its arguments on, all flags are the program's. */
export function isForeign(operand: Operand | undefined): boolean {
  return operand?.placeholder === 'COMMAND' && operand.repeatable;
}
