import process from 'node:process';
import {
  allExitCodes,
  type CommandDescription,
  type Examples,
  type ExitCodes,
  type Operand,
} from './description.ts';
import { describeFlags, helpFlag } from './flag-description.ts';
import type { FlagTable } from './go-flags.ts';
import { type HelpStream, renderHelpFor } from './help-text.ts';

/** What a command that reads its own arguments says of itself: help, man page and completion are made of it. */
export interface CommandHelp {
  /** Without the word "Usage": `weft config put [flags] FILE|-`. What follows the flags are the operands. */
  readonly usage: string;
  /** One line, for the list of commands: a sentence without capital letter and full stop. */
  readonly summary: string;
  /** Paragraphs below the summary. */
  readonly about: readonly string[];
  readonly flags?: FlagTable | undefined;
  /** How the flags are read: by the rules of Go's `flag` unless given. */
  readonly syntax?: 'go' | 'getopts' | undefined;
  readonly examples: Examples;
  /** Those that mean more or other things than the usual 0, 1 and 2. */
  readonly exitCodes?: ExitCodes | undefined;
}

/** The help text of a command that reads its own arguments, as wide and as coloured as the stream likes it. */
export function renderCommandHelp(help: CommandHelp, stream: HelpStream = process.stdout): string {
  return renderHelpFor(descriptionOf(help), stream);
}

/** The description of a command that reads its own arguments. */
export function descriptionOf(help: CommandHelp): CommandDescription {
  const { usage, summary, about, flags = {}, syntax = 'go', examples, exitCodes } = help;
  const words = usage.split(' ').slice(1);
  const operands = words.findIndex(word => !/^[a-z][a-z-]*$/.test(word));
  const end = operands === -1 ? words.length : operands;
  return {
    path: words.slice(0, end),
    usage,
    summary,
    about,
    commands: [],
    operands: words
      .slice(end)
      .filter(word => word !== '[flags]')
      .map(parseOperand),
    flags: [...describeFlags(flags, syntax), helpFlag(syntax)],
    syntax,
    examples,
    exitCodes: allExitCodes(exitCodes),
    environment: [],
  };
}

function parseOperand(word: string): Operand {
  const [, open, placeholder = ''] = /^(\[?)(.*?)(?:\.\.\.)?\]?$/.exec(word) ?? [];
  return { placeholder, optional: open === '[', repeatable: word.includes('...') };
}
