import process from 'node:process';
import { styleText } from 'node:util';
import { type Command, Option } from 'commander';
import { WeftError } from '../../base/errors.ts';
import type { Paint } from '../../lab/demo-text.ts';
import type { LabRequest } from '../../lab/up.ts';
import { renderExamples } from '../command-help.ts';
import { interruptible } from '../interrupt.ts';
import { print, reportWarning } from '../report.ts';

/** `weft lab`: a whole network on this one machine. */
export function register(program: Command): void {
  const lab = program
    .command('lab')
    .description('hosts, a switch and containers on this machine, out of network namespaces')
    .enablePositionalOptions()
    .addHelpText('after', `\n${renderExamples(examples)}`);
  nameable(lab.command('up'))
    .description('make a lab: hosts at a switch, each with its own daemon and containers')
    .option('--hosts <N>', 'hosts, 1 to 240 (default: 2)', wholeNumber('--hosts'))
    .option('--containers <N>', 'containers on each host, 0 to 250 (default: 1)', wholeNumber('--containers'))
    .addOption(
      new Option('--registry <dir|etcd>', 'where the hosts keep their leases (default: dir)').choices([
        'dir',
        'etcd',
      ]),
    )
    .action(up);
  lab.command('ls').description('what labs there are: hosts, subnets, daemons, containers').action(list);
  nameable(lab.command('exec'))
    .description('run a command in a place: host1, host1/c1 or switch; without one, a shell')
    .argument('<place>', 'host1, host1/c1 or switch')
    .argument('[command...]')
    .passThroughOptions()
    .action(exec);
  nameable(lab.command('down')).description('take a lab away, whatever state it is in').action(down);
  lab
    .command('demo')
    .description('two hosts, a ping between their containers, and what carries it; then all is taken away')
    .action(demo);
}

const examples = [
  ['weft lab demo', 'see it work, in a few seconds'],
  ['weft lab up --hosts 3 --containers 2', 'a network to play with'],
  ['weft lab exec host1/c1 -- ip route', 'from inside a container'],
  ['weft lab exec host2 -- bridge fdb show dev flannel.1', 'from inside a host'],
  ['weft lab down', 'take it away'],
] as const;

interface UpOptions {
  readonly name: string;
  readonly hosts?: number;
  readonly containers?: number;
  readonly registry?: 'dir' | 'etcd';
}

async function up({ name, hosts, containers, registry }: UpOptions): Promise<void> {
  const [{ makeLab }, { readStatus }, { madeText }] = await Promise.all([
    import('../../lab/up.ts'),
    import('../../lab/lab-status.ts'),
    import('../../lab/lab-text.ts'),
  ]);
  const asked: LabRequest = {
    name,
    ...(hosts === undefined ? {} : { hosts }),
    ...(containers === undefined ? {} : { containersPerHost: containers }),
    ...(registry === undefined ? {} : { registry }),
  };
  const { plan, made } = await interruptible(signal => makeLab(asked, { signal }));
  print(madeText(await readStatus(plan), made));
}

async function list(): Promise<void> {
  const { listLabs } = await import('../../lab/list.ts');
  print(await listLabs());
}

async function exec(place: string, command: readonly string[], { name }: { name: string }): Promise<void> {
  const { execInLab } = await import('../../lab/exec.ts');
  process.exitCode = await execInLab(name, place, command);
}

async function down({ name }: { name: string }): Promise<void> {
  const { takeDown } = await import('../../lab/down.ts');
  const { found, strangers } = await takeDown(name);
  for (const stranger of strangers)
    reportWarning(`still runs, and keeps its network until it ends: ${stranger}`);
  print(found ? `Lab ${name} is taken away.` : `There is no lab named ${name}: nothing to do.`);
}

async function demo(): Promise<void> {
  const { runDemo } = await import('../../lab/demo.ts');
  await interruptible(signal => runDemo({ signal: orClosedOutput(signal), paint, print }));
}

/**
 * A reader who has seen enough (`weft lab demo | head`) must not end the process before the lab is taken away: the
 * next step fails instead, and everything else follows.
 */
function orClosedOutput(signal: AbortSignal): AbortSignal {
  const closed = new AbortController();
  process.stdout.removeAllListeners('error').on('error', () => closed.abort(outputClosed));
  return AbortSignal.any([signal, closed.signal]);
}

const outputClosed = new WeftError('output-closed', 'nobody reads the output any more');

/** styleText leaves colours out by itself where NO_COLOR or the kind of stdout says so. */
const paint: Paint = {
  heading: text => styleText('bold', text),
  quiet: text => styleText('dim', text),
  good: text => styleText('green', text),
  bad: text => styleText('red', text),
};

function nameable(command: Command): Command {
  return command.option('--name <NAME>', 'which lab; several can stand at once', 'lab');
}

function wholeNumber(flag: string): (text: string) => number {
  return text => {
    if (/^\d{1,6}$/.test(text)) return Number(text);
    throw new WeftError('usage', `${flag}: expected a whole number, got ${JSON.stringify(text)}`);
  };
}
