import { renderFlagHelp } from './flag-help.ts';
import type { FlagTable } from './go-flags.ts';
import { columns, wrap } from './wrap.ts';

export interface CommandHelp {
  /** Without the word "Usage": `weft config put [flags] FILE|-`. */
  readonly usage: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** Paragraphs below the usage. */
  readonly about: readonly string[];
  readonly flags?: FlagTable | undefined;
  readonly examples: Examples;
}

/** Command lines, each with what it does. */
export type Examples = ReadonlyArray<readonly [command: string, purpose: string]>;

/** The help text of a command that reads its own arguments. */
export function renderCommandHelp({ usage, about, flags, examples }: CommandHelp): string {
  const parts = [`Usage: ${usage}`, ...about.map(paragraph => wrap(paragraph))];
  if (flags !== undefined) parts.push(`Flags:\n${renderFlagHelp(flags)}`);
  return [...parts, renderExamples(examples)].join('\n\n');
}

/** Purposes in a column when they fit beside the commands, else below them. */
export function renderExamples(examples: Examples): string {
  const width = Math.max(...examples.map(([command]) => command.length));
  const longest = Math.max(...examples.map(([, purpose]) => purpose.length));
  const beside = width + longest + 6 <= columns;
  return [
    'Examples:',
    ...examples.map(([command, purpose]) => {
      return beside ? `  ${command.padEnd(width)}  # ${purpose}` : `  # ${purpose}\n  ${command}`;
    }),
  ].join('\n');
}
