import type { Command } from 'commander';
import { WeftError } from '../base/errors.ts';
import type { CommandHelp } from './command-help.ts';
import { explainOwn, wordsOf } from './describe.ts';
import { isUsageError } from './report.ts';

/**
 * Adds a command whose arguments go untouched to `action`, because they follow rules other than commander's
 * (Go's `flag`, getopts). The action also answers `-h` itself.
 */
export function registerWithOwnArguments(
  parent: Command,
  name: string,
  help: CommandHelp,
  action: (args: readonly string[]) => Promise<void>,
): void {
  const command = parent
    .command(name)
    .summary(help.summary)
    .argument('[arguments...]')
    .helpOption(false)
    .action((args: readonly string[]) => action(args).catch(error => pointToHelp(error, command)));
  command.parseOptions = args => ({ operands: [...args], unknown: [] });
  explainOwn(command, help);
}

/** Whoever asked wrongly is told where it says how to ask. */
function pointToHelp(error: unknown, command: Command): never {
  if (!isUsageError(error) || error.remedy !== undefined) throw error;
  const remedy = `\`${wordsOf(command).join(' ')} -h\` shows how it is used`;
  throw new WeftError(error.code, error.message, { cause: error, remedy });
}
