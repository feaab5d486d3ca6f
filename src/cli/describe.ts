import type { Argument, Command } from 'commander';
import { type CommandHelp, descriptionOf } from './command-help.ts';
import {
  allExitCodes,
  type CommandDescription,
  type Examples,
  type ExitCodes,
  type Operand,
  operandText,
} from './description.ts';
import { describeOption } from './flag-description.ts';

/** What commander does not know of a command. */
export interface Explanation {
  /** Paragraphs below the summary. */
  readonly about?: readonly string[] | undefined;
  readonly examples: Examples;
  readonly exitCodes?: ExitCodes | undefined;
  readonly environment?: CommandDescription['environment'] | undefined;
}

/** Says of a command whose arguments commander reads what help, man page and completion need beside its options. */
export function explain(command: Command, explanation: Explanation): Command {
  explanations.set(command, explanation);
  return command;
}

/** Says the same of a command that reads its own arguments. */
export function explainOwn(command: Command, help: CommandHelp): void {
  ownHelps.set(command, help);
}

/** A command as it is registered, with all below it. */
export function describeCommand(command: Command): CommandDescription {
  const own = ownHelps.get(command);
  return own === undefined ? describeWithCommander(command) : descriptionOf(own);
}

/** The words that call a command: `['weft', 'config', 'put']`. */
export function wordsOf(command: Command): string[] {
  return [...(command.parent === null ? [] : wordsOf(command.parent)), command.name()];
}

const explanations = new WeakMap<Command, Explanation>();
const ownHelps = new WeakMap<Command, CommandHelp>();

function describeWithCommander(command: Command): CommandDescription {
  const { about = [], examples = [], exitCodes, environment = [] } = explanations.get(command) ?? {};
  const commands = command.commands.map(describeCommand);
  const operands = command.registeredArguments.map(describeArgument);
  const words = wordsOf(command);
  const rest = commands.length > 0 ? ['COMMAND'] : ['[flags]', ...operands.map(operandText)];
  return {
    path: words.slice(1),
    usage: [...words, ...rest].join(' '),
    summary: command.summary() || command.description(),
    about,
    commands,
    operands,
    flags: command.createHelp().visibleOptions(command).map(describeOption),
    syntax: 'gnu',
    examples,
    exitCodes: allExitCodes(exitCodes),
    environment,
  };
}

function describeArgument(argument: Argument): Operand {
  return {
    placeholder: argument.argChoices?.join('|') ?? argument.name().toUpperCase(),
    optional: !argument.required,
    repeatable: argument.variadic,
  };
}
