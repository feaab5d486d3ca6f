import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { Argument, type Command } from 'commander';
import { WeftError } from '../../base/errors.ts';
import { explain } from '../describe.ts';

/** `weft completion`: what makes a shell complete weft's commands, flags and values. */
export function register(program: Command): void {
  const completion = program
    .command('completion')
    .description('print the script that makes a shell complete weft commands')
    .addArgument(new Argument('<shell>').choices(Object.keys(files)))
    .action(printScript);
  explain(completion, {
    about: [
      'The script asks weft itself what fits, so it need not be renewed with each version. The same scripts are in share/ of the package, in the places where shells look for them.',
      'zsh must have called compinit before it reads the script; or save it as _weft in a folder of fpath.',
    ],
    examples: [
      ['source <(weft completion bash)', 'for this bash; as a line of ~/.bashrc for every one'],
      ['source <(weft completion zsh)', 'the same for zsh, in ~/.zshrc'],
      ['weft completion fish > ~/.config/fish/completions/weft.fish', 'for every fish'],
    ],
  });
}

/** Where packages have the scripts, seen from the package's own folder. */
const files = {
  bash: 'share/bash-completion/completions/weft',
  zsh: 'share/zsh/site-functions/_weft',
  fish: 'share/fish/vendor_completions.d/weft.fish',
} as const;

async function printScript(shell: keyof typeof files): Promise<void> {
  const file = files[shell];
  try {
    process.stdout.write(await readFile(new URL(`../../../${file}`, import.meta.url), 'utf8'));
  } catch (cause) {
    throw new WeftError('file-unreadable', `reading ${file} of the package failed`, {
      cause,
      remedy: 'install the package again: a part of it is missing',
    });
  }
}
