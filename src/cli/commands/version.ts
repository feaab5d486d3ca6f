import type { Command } from 'commander';
import { explain } from '../describe.ts';
import { print } from '../report.ts';
import { weftVersion } from '../version.ts';

/** `weft version`: the same line as `weft --version`. */
export function register(program: Command): void {
  const version = program
    .command('version')
    .description('print the version')
    .action(() => print(weftVersion()));
  explain(version, { examples: [['weft version', 'the version on stdout']] });
}
