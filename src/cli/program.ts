import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { WeftError } from '../base/errors.ts';
import { wantsColour } from './colour.ts';
import { describeCommand, type Explanation, explain, wordsOf } from './describe.ts';
import type { CommandDescription } from './description.ts';
import { renderHelpFor } from './help-text.ts';
import { reportError } from './report.ts';
import { weftVersion } from './version.ts';

/** What each file in commands/ exports. */
export interface CommandModule {
  /** Adds the command, with its help and action, to the program. */
  register(program: Command): void;
}

/** All commands, in the order of help. Each is loaded only when it is called or listed, so that all start fast. */
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  run: () => import('./commands/run.ts'),
  config: () => import('./commands/config.ts'),
  'docker-opts': () => import('./commands/docker-opts.ts'),
  status: () => import('./commands/status.ts'),
  plan: () => import('./commands/plan.ts'),
  doctor: () => import('./commands/doctor.ts'),
  cleanup: () => import('./commands/cleanup.ts'),
  trace: () => import('./commands/trace.ts'),
  capture: () => import('./commands/capture.ts'),
  lab: () => import('./commands/lab.ts'),
  completion: () => import('./commands/completion.ts'),
  help: () => import('./commands/help.ts'),
  version: () => import('./commands/version.ts'),
};

/**
 * Runs one command line and sets the process's exit code: 0 done, 1 failed, 2 asked wrongly.
 * @param args what follows the program's name
 */
export async function main(args: readonly string[]): Promise<void> {
  process.on('uncaughtException', fail);
  process.stdout.on('error', endQuietlyOnClosedPipe);
  if (args[0] === completionRequest) return await answerCompletion(args.slice(1));
  try {
    const program = await createProgram(args);
    const parsed = program.parseAsync(args, { from: 'user' });
    await parsed.catch(error => endAsCommander(error, program, args));
  } catch (error) {
    reportError(error);
  }
}

/** All that there is to know of Weft's commands. */
export async function describeWeft(): Promise<CommandDescription> {
  return describeCommand(await createProgram([]));
}

/** What a shell asks when somebody presses Tab: not for people, so in no help. */
const completionRequest = '__complete';

/** Whatever goes wrong, a shell's prompt is no place to say it. */
async function answerCompletion(words: readonly string[]): Promise<void> {
  try {
    const [{ answer }, program] = await Promise.all([
      import('./completion-answer.ts'),
      createProgram(words.slice(0, -1)),
    ]);
    process.stdout.write(await answer(describeCommand(program), words));
  } catch {
    process.exitCode = 1;
  }
}

async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('weft')
    .description('containers on different hosts, one network')
    .version(weftVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .configureOutput({
      outputError() {},
      getOutHasColors: () => wantsColour(process.stdout),
      getErrHasColors: () => wantsColour(process.stderr),
    })
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride();
  explain(program, explanation);
  for (const load of wanted(args)) (await load()).register(program);
  for (const command of withAllBelow(program)) {
    command.helpInformation = context => {
      const stream = context?.error === true ? process.stderr : process.stdout;
      return `${renderHelpFor(describeCommand(command), stream)}\n`;
    };
  }
  return program;
}

/** Those that a command line needs: the one that it names, none for the version, or all of them. */
function wanted(args: readonly string[]): ReadonlyArray<() => Promise<CommandModule>> {
  const names = wantedNames(args);
  return Object.entries(commands).flatMap(([name, load]) => (names.includes(name) ? [load] : []));
}

function wantedNames([name = '', ...rest]: readonly string[]): readonly string[] {
  if (name === 'help') return ['help', ...wantedNames(rest)];
  if (name === '--version') return [];
  return Object.hasOwn(commands, name) ? [name] : Object.keys(commands);
}

const explanation: Explanation = {
  about: [
    'Every host leases a subnet out of one network, and every container reaches every other by its own address.',
  ],
  examples: [
    ['weft lab demo', 'two hosts on this machine, and a ping between their containers'],
    ['weft config put net.json', 'say once what network there shall be'],
    ['weft run -iface eth0', 'join it; on every host, as root'],
    ['weft docker-opts', 'give Docker the subnet of this host'],
  ],
  environment: [
    ['FLANNELD_*', 'stand for flags that are not given, as FLANNELD_ETCD_ENDPOINTS for -etcd-endpoints'],
    ['NO_COLOR', 'when set, nothing is coloured'],
    [
      'FORCE_COLOR, CLICOLOR_FORCE',
      'when 1, output is coloured where it is no terminal, too; a log in a file is not',
    ],
    ['CLICOLOR', 'when 0, nothing is coloured on a terminal either'],
    ['WEFT_DEBUG', 'when 1, errors show their stack traces'],
  ],
};

/** Commander throws when it is done, too: exit code 0 after help and version. Passes on what is not commander's. */
function endAsCommander(error: unknown, program: Command, args: readonly string[]): void {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode === 0) return;
  if (error.code === 'commander.help') {
    process.exitCode = 2;
    return;
  }
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?');
  throw new WeftError('usage', message, { remedy: remedyFor(calledIn(program, args)) });
}

/** The command that a command line names, as far as it does. */
function calledIn(command: Command, args: readonly string[]): Command {
  const next = command.commands.find(below => below.name() === args[0]);
  return next === undefined ? command : calledIn(next, args.slice(1));
}

function remedyFor(command: Command): string {
  const shows = command.commands.length > 0 ? 'lists the commands' : 'shows how it is used';
  return `\`${wordsOf(command).join(' ')} --help\` ${shows}`;
}

function withAllBelow(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withAllBelow)];
}

function fail(error: unknown): void {
  reportError(error);
  process.exit();
}

/** `weft config get | head -1` closes the pipe early, which is no failure of ours. */
function endQuietlyOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
}
