import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { WeftError } from '../base/errors.ts';
import { renderExamples } from './command-help.ts';
import { reportError } from './report.ts';
import { weftVersion } from './version.ts';
import { columns } from './wrap.ts';

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
  cleanup: () => import('./commands/cleanup.ts'),
  lab: () => import('./commands/lab.ts'),
  version: () => import('./commands/version.ts'),
};

const examples = [
  ['weft lab demo', 'two hosts on this machine, and a ping between their containers'],
  ['weft config put net.json', 'say once what network there shall be'],
  ['weft run -iface eth0', 'join it; on every host, as root'],
  ['weft docker-opts', 'give Docker the subnet of this host'],
] as const;

/**
 * Runs one command line and sets the process's exit code: 0 done, 1 failed, 2 asked wrongly.
 * @param args what follows the program's name
 */
export async function main(args: readonly string[]): Promise<void> {
  process.on('uncaughtException', fail);
  process.stdout.on('error', endQuietlyOnClosedPipe);
  try {
    const program = await createProgram(args);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) endAsCommander(error);
    else reportError(error);
  }
}

async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('weft')
    .description(
      'A container network fabric: every host leases a subnet, every container reaches every other.',
    )
    .version(weftVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help, or that of a command')
    .configureOutput({ outputError() {}, getOutHelpWidth: () => columns, getErrHelpWidth: () => columns })
    .configureHelp({ subcommandTerm: command => command.name() })
    .addHelpText('after', `\n${renderExamples(examples)}`)
    .enablePositionalOptions()
    .exitOverride();
  for (const load of wanted(args)) (await load()).register(program);
  return program;
}

function wanted(args: readonly string[]): ReadonlyArray<() => Promise<CommandModule>> {
  const name = args[0] ?? '';
  const called = Object.hasOwn(commands, name) ? commands[name] : undefined;
  return called === undefined ? Object.values(commands) : [called];
}

/** Commander throws when it is done, too: exit code 0 after help and version. */
function endAsCommander(error: CommanderError): void {
  if (error.exitCode === 0) return;
  if (error.code === 'commander.help') {
    process.exitCode = 2;
    return;
  }
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (.*)\?\)$/, '; did you mean $1?');
  reportError(new WeftError('usage', message, { remedy: '`weft --help` lists the commands' }));
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
