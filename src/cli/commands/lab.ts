import process from 'node:process';
import { type Command, Option } from 'commander';
import { WeftError } from '../../base/errors.ts';
import { type LabBackend, labBackendNamed, labBackends } from '../../lab/lab-network.ts';
import { type LabFamily, labFamilies } from '../../lab/lab-plan.ts';
import type { LabRequest } from '../../lab/up.ts';
import { paintFor } from '../colour.ts';
import { type Explanation, explain } from '../describe.ts';
import { interruptible } from '../interrupt.ts';
import { print, reportWarning } from '../report.ts';

/** `weft lab`: a whole network on this one machine. */
export function register(program: Command): void {
  const lab = program
    .command('lab')
    .description('hosts, a switch and containers of namespaces, on this machine')
    .enablePositionalOptions();
  nameable(lab.command('up'))
    .description('make a lab: hosts at a switch, each with its own daemon and containers')
    .option('--hosts <N>', 'hosts, 1 to 240 (default 2)', wholeNumber('--hosts'))
    .option('--containers <N>', 'containers on each host, 0 to 250 (default 1)', wholeNumber('--containers'))
    .addOption(
      new Option('--registry <dir|etcd>', 'where the hosts keep their leases (default dir)').choices([
        'dir',
        'etcd',
      ]),
    )
    .addOption(backendOption())
    .addOption(familyOption())
    .option('--no-probing', 'let no host probe another, so that only your own packets are on the wire')
    .action(up);
  lab.command('ls').description('what labs there are: hosts, subnets, daemons, containers').action(list);
  nameable(lab.command('exec'))
    .description('run a command in a place (host1, host1/c1, switch), or a shell')
    .argument('<place>', 'host1, host1/c1 or switch')
    .argument('[command...]')
    .passThroughOptions()
    .action(exec);
  nameable(lab.command('down')).description('take a lab away, whatever state it is in').action(down);
  lab
    .command('demo')
    .addOption(backendOption())
    .addOption(familyOption())
    .description('two hosts, a ping between their containers, and what carries it')
    .action(demo);
  for (const command of [lab, ...lab.commands]) {
    const explanation = explanations[command.name()];
    if (explanation !== undefined) explain(command, explanation);
  }
}

/** By the command's name. */
const explanations: Readonly<Record<string, Explanation>> = {
  lab: {
    about: [
      'Needs root (or the capabilities that namespaces need) and iproute2, and touches nothing outside the lab.',
    ],
    examples: [
      ['weft lab demo', 'see it work, in a few seconds'],
      ['weft lab demo --backend udp --family 46', 'the same by UDP in user space, IPv4 and IPv6'],
      ['weft lab up --hosts 3 --containers 2', 'a network to play with'],
      ['weft lab exec host1/c1 -- ip route', 'from inside a container'],
      ['weft lab exec host2 -- bridge fdb show dev flannel.1', 'from inside a host'],
      ['weft lab down', 'take it away'],
    ],
  },
  up: {
    examples: [
      ['weft lab up', 'two hosts, a container on each'],
      ['weft lab up --hosts 3 --containers 2 --registry etcd', 'as real hosts share their leases'],
      ['weft lab up --name other --backend host-gw --family 46', 'another one beside it'],
    ],
  },
  ls: { examples: [['weft lab ls', 'every lab, as a table']] },
  exec: {
    about: ['What follows the place is the command, with its own flags; -- may stand between the two.'],
    examples: [
      ['weft lab exec host1/c1 -- ping -c1 10.2.54.2', 'from a container to another'],
      ['weft lab exec host1 -- weft doctor', 'what is wrong on a host?'],
      ['weft lab exec host1', 'a shell on a host'],
      ['weft lab exec --name other switch -- ip -br link', 'the switch of another lab'],
    ],
    exitCodes: [['N', 'that of the command']],
  },
  down: {
    examples: [
      ['weft lab down', 'the lab named lab'],
      ['weft lab down --name other', 'another one'],
    ],
  },
  demo: {
    about: ['Everything is taken away again, however it ends.'],
    examples: [
      ['weft lab demo', 'VXLAN and IPv4'],
      ['weft lab demo --backend udp --family 6', 'another backend, in IPv6'],
    ],
  },
};

interface NetworkOptions {
  readonly backend?: LabBackend;
  readonly family?: LabFamily;
}

interface UpOptions extends NetworkOptions {
  readonly name: string;
  readonly hosts?: number;
  readonly containers?: number;
  readonly registry?: 'dir' | 'etcd';
  /** Commander's name for `--no-probing`. */
  readonly probing: boolean;
}

async function up({ name, hosts, containers, registry, probing, ...network }: UpOptions): Promise<void> {
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
    ...(probing ? {} : { probing }),
    ...network,
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

async function demo(network: NetworkOptions): Promise<void> {
  const { runDemo } = await import('../../lab/demo.ts');
  await interruptible(signal =>
    runDemo({ ...network, signal: orClosedOutput(signal), paint: paintFor(process.stdout), print }),
  );
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

function backendOption(): Option {
  const flag = `--backend <${labBackends.join('|')}>`;
  return new Option(flag, 'what carries the packets (default vxlan)').argParser(labBackendNamed);
}

function familyOption(): Option {
  const text = 'IPv4, IPv6 or both, of hosts and containers (default 4)';
  return new Option(`--family <${labFamilies.join('|')}>`, text).choices(labFamilies);
}

function nameable(command: Command): Command {
  return command.option('--name <LAB>', 'which lab; several can stand at once', 'lab');
}

function wholeNumber(flag: string): (text: string) => number {
  return text => {
    if (/^\d{1,6}$/.test(text)) return Number(text);
    throw new WeftError('usage', `${flag}: expected a whole number, got ${JSON.stringify(text)}`);
  };
}
