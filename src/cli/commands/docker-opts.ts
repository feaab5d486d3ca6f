import { readFile, writeFile } from 'node:fs/promises';
import process from 'node:process';
import type { Command } from 'commander';
import { hasCode, WeftError } from '../../base/errors.ts';
import { checkSubnetNotRouted, renderDockerOpts } from '../../lease/docker-opts.ts';
import { parseEnv } from '../../lease/env-text.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { lettersOf, parseGetopts } from '../getopts.ts';
import type { FlagTable } from '../go-flags.ts';
import { readHostRoutes } from '../host-routes.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { print, reportError } from '../report.ts';

/** `weft docker-opts`: flannel's mk-docker-opts.sh, with its options, output and exit codes. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'docker-opts', help, dockerOpts);
}

const flags = {
  f: {
    kind: 'string',
    default: '/run/flannel/subnet.env',
    placeholder: 'PATH',
    help: 'file that the daemon wrote',
  },
  d: {
    kind: 'string',
    default: '/run/docker_opts.env',
    placeholder: 'PATH',
    help: 'file to write, for EnvironmentFile= of a unit',
  },
  i: {
    kind: 'bool',
    default: false,
    help: 'one variable for each option: DOCKER_OPT_BIP, DOCKER_OPT_IPMASQ, DOCKER_OPT_MTU',
  },
  c: {
    kind: 'bool',
    default: false,
    help: 'one variable for all options; without -i and -c both forms are written',
  },
  k: {
    kind: 'string',
    default: 'DOCKER_OPTS',
    placeholder: 'NAME',
    help: 'name of that variable; what it holds in the environment stays in front',
  },
  m: { kind: 'bool', default: false, help: 'leave out --ip-masq' },
} as const satisfies FlagTable;

const help: CommandHelp = {
  usage: 'weft docker-opts [flags]',
  summary: "write Docker's options for this host (as mk-docker-opts.sh)",
  about: [
    'Called as the script is, it ends as the script does: with 1 for wrong usage and for -h, too; and, after it has written, when the host reaches the subnet through a gateway.',
  ],
  flags,
  syntax: 'getopts',
  examples: [
    ['weft docker-opts', 'write /run/docker_opts.env'],
    ['weft docker-opts -c -d /etc/default/docker -k DOCKER_OPTS', 'one variable, for sysvinit'],
    ['weft docker-opts -c -d /dev/stdout', 'look at it'],
    ['weft docker-opts -f /run/flannel/networks/red.env', 'one of several networks'],
  ],
  exitCodes: [
    ['1', 'failed, asked wrongly, or the subnet is behind a gateway'],
    ['2', ''],
  ],
};

async function dockerOpts(args: readonly string[]): Promise<void> {
  if (args[0] === '--help') return print(renderCommandHelp(help));
  const options = readOptions(args);
  if (options === undefined) return;
  // The script sources the file, so what it does not set comes from the environment.
  const environment = { ...definedOf(process.env), ...parseEnv(await readOptional(options.input)) };
  await write(options.output, renderDockerOpts(environment, options));
  checkSubnetNotRouted(environment, await readHostRoutes());
}

interface Options {
  readonly input: string;
  readonly output: string;
  readonly individual: boolean;
  readonly combined: boolean;
  readonly combinedKey: string;
  readonly ipMasq: boolean;
}

/** Undefined when usage was printed instead. */
function readOptions(args: readonly string[]): Options | undefined {
  try {
    const given = parseGetopts({ ...lettersOf(flags), h: 'switch' }, args);
    if (given.has('h')) return printUsage();
    return {
      input: given.get('f') ?? flags.f.default,
      output: given.get('d') ?? flags.d.default,
      individual: given.has('i'),
      combined: given.has('c'),
      combinedKey: given.get('k') ?? flags.k.default,
      ipMasq: !given.has('m'),
    };
  } catch (error) {
    if (!hasCode(error, 'usage')) throw error;
    reportError(error);
    return printUsage();
  }
}

function printUsage(): undefined {
  process.stderr.write(`${renderCommandHelp(help, process.stderr)}\n`);
  process.exitCode = 1;
}

/** A file that is not there yet gives an empty result, as in the script. */
async function readOptional(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new WeftError('file-unreadable', `reading ${path} failed`, { cause });
  }
}

/** In place, so that -d may name a device, a pipe or a link. */
async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new WeftError('file-unwritable', `writing ${path} failed`, {
      cause,
      remedy: 'name a file that can be written with -d, or run as root',
    });
  }
}

function definedOf(environment: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
