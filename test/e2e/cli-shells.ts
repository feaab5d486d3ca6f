/** Interactive shells at a terminal of their own, which complete as they do for a person. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';
import type { Scope } from '../../src/base/scope.ts';
import { run } from '../support/command.ts';
import { packageRoot } from './cli-weft.ts';

/** The words that a shell has on its command line after it completed `line` with all that fits. */
export type Completer = (line: string) => Promise<string[]>;

/** Where the shells find `weft`. */
export const searchPath = `${path.join(packageRoot, 'bin')}:${process.env['PATH']}`;

/** Bash as Debian has it, without bash-completion; Meta-* inserts all completions. */
export function bash(scope: Scope, folder: string): Promise<Completer> {
  return atTerminal(scope, folder, 'bash --noprofile --norc -i', {
    setUp:
      "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; source <(weft completion bash)",
    insertAll: '\x1b*',
  });
}

/** Zsh with its completion system; Control-T inserts all matches. */
export function zsh(scope: Scope, folder: string, load = sourceAfterCompinit): Promise<Completer> {
  return atTerminal(scope, folder, 'zsh -f -i', {
    setUp: [
      'unsetopt prompt_sp prompt_cr beep list_beep; unset zle_bracketed_paste; bindkey -e',
      `autoload -U compinit; ${load}`,
      "zle -C all-matches complete-word _generic; bindkey '^T' all-matches",
      "zstyle ':completion:all-matches:*' completer _all_matches _complete",
      "zstyle ':completion:all-matches:*' old-matches false; zstyle ':completion:all-matches:*' insert true",
    ].join('; '),
    insertAll: '\x14',
  });
}

const sourceAfterCompinit = 'compinit -u -D; source <(weft completion zsh)';

/** Fish, which can be asked without a terminal. */
export function fish(folder: string): Completer {
  const script = 'source (weft completion fish | psub); complete -C $argv[1]';
  return async line => {
    const env = { HOME: folder, PATH: searchPath };
    const said = await run(['env', '-C', folder, 'fish', '--no-config', '-c', script, line], { env });
    const before = line.split(' ').slice(0, -1);
    const found = said.split('\n').filter(text => text !== '');
    return [...before, ...found.map(text => text.replace(/\t.*/, ''))];
  };
}

/** Where packages have functions for zsh. */
const siteFunctions = path.join(packageRoot, 'share/zsh/site-functions');

interface Keys {
  readonly setUp: string;
  /** What inserts all completions at once. */
  readonly insertAll: string;
}

/** Starts a shell below `script`, which gives it a terminal, and sets it up. */
async function atTerminal(
  scope: Scope,
  folder: string,
  command: string,
  { setUp, insertAll }: Keys,
): Promise<Completer> {
  const env = {
    PATH: searchPath,
    HOME: folder,
    TERM: 'dumb',
    PS1: '> ',
    LC_ALL: 'C.UTF-8',
    SITE_FUNCTIONS: siteFunctions,
  };
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: folder, env });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    said += text;
  });
  const ended = once(child, 'exit');
  scope.defer(command, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const say = async (keys: string): Promise<string> => {
    said = '';
    child.stdin.write(keys);
    while (!shownToTheEnd.test(said)) {
      const told = await Promise.race([once(child.stdout, 'data'), ended.then(() => 'ended')]);
      if (told === 'ended') throw new Error(`${command} ended: ${said}`);
    }
    return said;
  };
  await say(`${show}; ${setUp}; show\n`);
  return async line => {
    const shown = await say(`${line}${insertAll}\x01show \x05\n`);
    return [...shown.matchAll(/^shown:(.*?)\r?$/gm)].map(([, word = '']) => word).slice(0, -1);
  };
}

/** Prints its arguments so that they are told from the echo of what was typed. */
const show = `show() { printf 'shown:%s\\n' "$@" end; }`;

const shownToTheEnd = /\nshown:end\r?\n(.*\n)*.*> $/;
