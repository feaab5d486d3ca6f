import {
  type CommandLine,
  descend,
  isForeign,
  operandAt,
  readCommandLine,
  readFlag,
} from './command-line.ts';
import type { CommandDescription } from './description.ts';
import { type Alternative, alternativesOf } from './placeholder.ts';

/** What may stand where the cursor is. */
export interface Completion {
  /** The part of the last word that stays as it is: `-log-format=`. */
  readonly prefix: string;
  /** What may follow the prefix, given what of it is there. */
  readonly candidates: readonly Candidate[];
  /** What the shell itself shall add, which knows best how. */
  readonly also: 'nothing' | 'files' | 'folders' | 'commands';
}

export interface Candidate {
  readonly value: string;
  /** What it is, for shells that show it. */
  readonly about: string;
}

/** Candidates for the names of placeholders; `flag` gives the value of another flag of the same command line. */
export type ValueSources = Readonly<
  Record<string, (flag: (form: string) => string | undefined) => Promise<readonly Candidate[]>>
>;

/**
 * Completes a command line.
 * @param weft the description of weft itself
 * @param words what follows `weft`, up to the cursor; the last one, perhaps empty, is to be completed
 */
export async function complete(
  weft: CommandDescription,
  words: readonly string[],
  sources: ValueSources,
): Promise<Completion> {
  const word = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  if (before[0] === 'help') {
    const { command, rest } = descend(weft, before.slice(1));
    return offer(word, rest.length === 0 ? subcommands(command) : []);
  }
  const { command, rest } = descend(weft, before);
  const line = readCommandLine(command, rest);
  const value = valueHere(command, line, word);
  if (value !== undefined) return completeValue(value, word, line, sources);
  if (word.startsWith('-')) return offer(word, unusedFlags(command, line, word));
  if (command.commands.length > 0) return offer(word, line.operands.length === 0 ? subcommands(command) : []);
  return offer(word, word === '' && command.operands.length === 0 ? unusedFlags(command, line, word) : []);
}

function offer(begun: string, candidates: readonly Candidate[]): Completion {
  const fitting = candidates.filter(({ value }) => value.startsWith(begun));
  return { prefix: '', candidates: fitting, also: 'nothing' };
}

function subcommands({ commands }: CommandDescription): Candidate[] {
  return commands.map(({ path, summary }) => ({ value: path.at(-1) ?? '', about: summary }));
}

/** Flags in the form that the word has begun; one that counts once is not offered twice. */
function unusedFlags({ flags }: CommandDescription, { given }: CommandLine, word: string): Candidate[] {
  return flags
    .filter(flag => flag.repeatable || !given.has(flag))
    .flatMap(({ forms, help }) => {
      const long = forms.findLast(form => form.startsWith('--'));
      const short = forms.findLast(form => !form.startsWith('--'));
      const value = word.startsWith('--') ? long : (short ?? long);
      return value === undefined ? [] : [{ value, about: help }];
    });
}

/** A value of a flag or an operand: its placeholder, and what of the word is before it. */
interface Value {
  readonly placeholder: string;
  readonly prefix: string;
}

function valueHere(command: CommandDescription, line: CommandLine, word: string): Value | undefined {
  if (line.waiting !== undefined) return { placeholder: line.waiting.value ?? '', prefix: '' };
  if (word.startsWith('-') && !line.ended) {
    const { flag, attached } = readFlag(command, word);
    if (flag?.value === undefined || attached === undefined) return undefined;
    return { placeholder: flag.value, prefix: word.slice(0, word.length - attached.length) };
  }
  const operand = operandAt(command, line.operands.length);
  if (operand === undefined) return undefined;
  // Of a program and its arguments only the first is a program.
  const argument = isForeign(operand) && line.operands.length >= command.operands.length;
  return { placeholder: argument ? 'FILE' : operand.placeholder, prefix: '' };
}

async function completeValue(
  { placeholder, prefix }: Value,
  word: string,
  line: CommandLine,
  sources: ValueSources,
): Promise<Completion> {
  const begun = word.slice(prefix.length);
  const alternatives = alternativesOf(placeholder);
  for (const found of alternatives) {
    if (found.kind !== 'name' || found.prefix === '' || !begun.startsWith(found.prefix)) continue;
    return completeValue({ placeholder: found.name, prefix: prefix + found.prefix }, word, line, sources);
  }
  const candidates = await Promise.all(
    alternatives.map(found => candidatesOf(found, sources, form => valueOfFlag(line, form))),
  );
  const also = alternatives.map(({ text }) => fromShell[text]).find(found => found !== undefined);
  return { ...offer(begun, candidates.flat()), prefix, also: also ?? 'nothing' };
}

const fromShell: Readonly<Record<string, Completion['also']>> = {
  FILE: 'files',
  PATH: 'files',
  FOLDER: 'folders',
  COMMAND: 'commands',
};

async function candidatesOf(
  found: Alternative,
  sources: ValueSources,
  flag: (form: string) => string | undefined,
): Promise<readonly Candidate[]> {
  if (found.kind === 'word') return [{ value: found.text, about: '' }];
  if (found.prefix !== '') return [{ value: found.prefix, about: found.name }];
  const source = Object.hasOwn(sources, found.name) ? sources[found.name] : undefined;
  return (await source?.(flag)) ?? [];
}

function valueOfFlag({ given }: CommandLine, form: string): string | undefined {
  for (const [flag, values] of given) if (flag.forms.includes(form)) return values.at(-1);
  return undefined;
}
