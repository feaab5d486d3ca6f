import type { Command } from 'commander';
import { renderExamples } from '../command-help.ts';
import { print } from '../report.ts';
import { weftVersion } from '../version.ts';

/** `weft version`: the same line as `weft --version`. */
export function register(program: Command): void {
  program
    .command('version')
    .description('print the version')
    .addHelpText('after', `\n${renderExamples([['weft version', 'the version on stdout']])}`)
    .action(() => print(weftVersion()));
}
