import { flushCompileCache } from 'node:module';
import process from 'node:process';
import type { Command } from 'commander';
import { describeError, WeftError } from '../../base/errors.ts';
import type { DaemonTools } from '../../daemon/daemon.ts';
import type { PacketAnswers } from '../../daemon/peer-door.ts';
import { letNurseryGrow } from '../../sys/heap.ts';
import { wantsColour } from '../colour.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { printableOptions } from '../printable-options.ts';
import { withRegistry } from '../registry-command.ts';
import { debugging, exitCodeOf, print } from '../report.ts';
import { runFlags } from '../run-flags.ts';
import { type RunOptions, readRunOptions } from '../run-options.ts';
import { weftVersion } from '../version.ts';

/** `weft run`: the daemon, called as flanneld is. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'run', help, run);
}

const help: CommandHelp = {
  usage: 'weft run [flags]',
  summary: "join the network and keep this host's part of it right: the daemon",
  about: [
    'Leases a subnet for this host and makes the subnets of all others reachable. Takes the flags and the variables of flanneld.',
    'Flags are written -name or --name, with =VALUE or VALUE after it; true-or-false flags only with =: -ip-masq=false. A flag that is not given is read from the environment: -etcd-endpoints from FLANNELD_ETCD_ENDPOINTS.',
  ],
  flags: runFlags,
  examples: [
    ['weft run -etcd-endpoints http://10.0.0.1:2379 -iface eth0', 'one of many hosts'],
    ['weft run -registry dir:/var/lib/weft -iface 192.168.1.7', 'no etcd: hosts of one machine'],
    ['weft run -networks red@red,blue@blue', 'two networks, each in a network namespace of its own'],
    ['FLANNELD_ETCD_PASSWORD=... weft run -etcd-username weft', 'a secret that no process list shows'],
  ],
  exitCodes: [['0', 'done, or stopped by a signal in good order']],
};

async function run(args: readonly string[]): Promise<void> {
  const request = readRunOptions(args, process.env);
  if (request.action === 'help') print(renderCommandHelp(help));
  else if (request.action === 'version') process.stderr.write(`${weftVersion()}\n`);
  else await serve(request.options, request.warnings);
}

async function serve(options: RunOptions, warnings: readonly string[]): Promise<void> {
  letNurseryGrow();
  settleLater();
  const [{ createLog }, start] = await Promise.all([import('../log.ts'), daemonOf(options)]);
  const log = createLog({
    format: options.logFormat,
    verbosity: options.verbosity,
    stream: process.stderr,
    stacks: debugging(),
    noColour: !wantsColour(process.stderr),
  });
  log.info({ version: weftVersion(), ...printableOptions(options) }, 'weft starts');
  for (const warning of warnings) log.warn({}, warning);
  try {
    process.exitCode = await withRegistry(
      options.registry,
      (registry, signal) => {
        const onReload = (reload: () => void) => void process.on('SIGHUP', reload);
        return start({ version: weftVersion(), registry, log, signal, loadPacketAnswers, onReload });
      },
      log,
    );
  } catch (error) {
    if (options.logFormat !== 'json') throw error;
    // A reader of JSON lines gets the last one as JSON too.
    const known = error instanceof WeftError ? { code: error.code, remedy: error.remedy } : { error };
    log.error(known, describeError(error));
    process.exitCode = exitCodeOf(error);
  }
}

async function loadPacketAnswers(): Promise<PacketAnswers> {
  const { PacketAnswers: Answers } = await import('../../trace/packet-answers.ts');
  return new Answers();
}

/** What runs: a daemon of one network, or of several. */
async function daemonOf(options: RunOptions): Promise<(tools: DaemonTools) => Promise<number>> {
  const { several } = options;
  if (several === undefined) {
    const { runDaemon } = await import('../../daemon/daemon.ts');
    return tools => runDaemon(options, tools);
  }
  const { runNetworks } = await import('../../daemon/networks.ts');
  return tools => runNetworks(options, several, tools);
}

/** By then all code that a daemon usually runs has run once. */
const startedMs = 1500;

/**
 * What the start leaves behind. Node writes what it has compiled (see bin/weft) only when it ends in good order: a daemon
 * that is killed shall start as quickly the next time, and without Node's TypeScript stripper, which takes 28 MB for good.
 */
function settleLater(): void {
  const settle = async (): Promise<void> => {
    flushCompileCache();
    const { letProgramPagesGo } = await import('../../sys/program-pages.ts');
    letProgramPagesGo();
  };
  setTimeout(settle, startedMs).unref();
}
