import type { Command } from 'commander';
import { WeftError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import { explain, wordsOf } from '../describe.ts';

/** `weft help COMMAND`: the same as `weft COMMAND --help`. */
export function register(program: Command): void {
  const help = program
    .command('help')
    .description('print the help of a command')
    .argument('[command...]')
    .action((words: readonly string[]) => commandNamed(program, words).outputHelp());
  explain(help, {
    about: ['The same as --help behind the command. Without a command it lists all.'],
    examples: [
      ['weft help run', 'every flag of the daemon'],
      ['weft help lab up', 'of a command below another'],
    ],
  });
}

function commandNamed(command: Command, words: readonly string[]): Command {
  const [word, ...rest] = words;
  if (word === undefined) return command;
  const found = command.commands.find(below => below.name() === word);
  if (found !== undefined) return commandNamed(found, rest);
  const near = nearest(
    word,
    command.commands.map(below => below.name()),
  );
  const called = wordsOf(command).join(' ');
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new WeftError('usage', `${called} has no command ${JSON.stringify(word)}${hint}`, {
    remedy: `\`${called} --help\` lists the commands`,
  });
}
