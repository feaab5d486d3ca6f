import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { Command } from 'commander';
import { familyOf } from '../../base/ip.ts';
import { silentLog } from '../../base/log.ts';
import type { NetlinkSocket } from '../../sys/netlink-socket.ts';
import { drawTrace } from '../../trace/drawing.ts';
import type { Trace } from '../../trace/hop.ts';
import type { LiveReport } from '../../trace/live-probe.ts';
import type { KernelView } from '../../trace/view.ts';
import { paintFor } from '../colour.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { applyEnvironment } from '../flag-environment.ts';
import { parseFlags } from '../go-flags.ts';
import { interruptible } from '../interrupt.ts';
import { openRegistry } from '../open-registry.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { type RegistryOptions, registryOptionsOf } from '../registry-flags.ts';
import { print, reportWarning } from '../report.ts';
import { type TraceOptions, traceEnvironmentFlags, traceFlags, traceOptionsOf } from '../trace-options.ts';
import { columnsOf, printable } from '../wrap.ts';

/** `weft trace`: a packet's way, hop by hop, as the kernel decides it. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'trace', help, trace);
}

const help: CommandHelp = {
  usage: 'weft trace [flags] ADDRESS',
  summary: 'follow a packet hop by hop, and name what is in its way',
  about: [
    'Reads rules, routes, neighbours, FDB entries, devices and the firewall of this host, and says which of them decides what becomes of a packet to ADDRESS; the first that is broken is marked, with the command that mends it. Changes nothing, and does not need the daemon.',
    "What the other host should have is told by the registry, and the way back by both; where the registry cannot be reached, this host's half is there all the same. Flags that are not given are read from FLANNELD_* variables, as by `weft run`.",
  ],
  flags: traceFlags,
  examples: [
    ['weft trace 10.2.14.3', 'from this host to a container elsewhere'],
    ['weft trace -from 10.2.1.2 10.2.14.3', 'from a container of this host'],
    ['weft trace -live 10.2.14.3', 'send a packet, and see how far it gets'],
    ['weft trace -svg trace.svg 10.2.14.3', 'a picture for a report'],
    ['weft lab exec host1 -- weft trace -registry dir:PATH 10.5.2.2', 'in a host of the lab'],
  ],
  exitCodes: [['1', 'the way is broken, or it could not be traced']],
};

async function trace(args: readonly string[]): Promise<void> {
  const parsed = parseFlags(traceFlags, args, { interspersed: true });
  if (parsed.help) return print(renderCommandHelp(help));
  const options = traceOptionsOf(parsed.values, parsed.rest);
  const { values, warnings } = applyEnvironment(traceEnvironmentFlags, parsed, process.env);
  warnings.forEach(reportWarning);
  await interruptible(signal => traceHere(options, registryOptionsOf(values), values['subnet-file'], signal));
}

async function traceHere(
  options: TraceOptions,
  registry: RegistryOptions,
  subnetFile: string,
  signal: AbortSignal,
): Promise<void> {
  const [{ NetlinkSocket }, { readView }, { readFirewall }, { readNetwork }, { runTrace }, subnetEnv] =
    await Promise.all([
      import('../../sys/netlink-socket.ts'),
      import('../../trace/read-view.ts'),
      import('../../trace/read-firewall.ts'),
      import('../../trace/read-network.ts'),
      import('../../trace/run-trace.ts'),
      readFile(subnetFile, 'utf8').catch(() => ''),
    ]);
  const socket = NetlinkSocket.open();
  try {
    const firewall = await readFirewall(undefined, familyOf(options.destination), signal);
    const view = await readView(socket, firewall);
    const network = await readNetwork(() => openRegistry(registry, silentLog), { subnetEnv, view, signal });
    const found = await runTrace(socket, view, network, options);
    const report = options.live ? await probe(socket, view, found, signal) : undefined;
    await show(options, found, report);
    if (found.verdict === 'broken') process.exitCode = 1;
  } finally {
    socket.close();
  }
}

/** Chosen: longer than an answer takes from the other side of the world. */
const patienceMs = 1000;

async function probe(
  { netns }: NetlinkSocket,
  view: KernelView,
  found: Trace,
  signal: AbortSignal,
): Promise<LiveReport> {
  const [{ probeLive }, { devicesOnWay }] = await Promise.all([
    import('../../trace/live-probe.ts'),
    import('../../trace/live-text.ts'),
  ]);
  const names = devicesOnWay(view, found);
  const devices = view.links.filter(({ name }) => names.includes(name));
  devices.sort((one, other) => names.indexOf(one.name) - names.indexOf(other.name));
  const { destination } = found;
  const mark = randomInt(2 ** 32);
  return await probeLive({ netns, destination, devices, mark, patienceMs, signal });
}

async function show(
  { svg, json }: TraceOptions,
  traced: Trace,
  report: LiveReport | undefined,
): Promise<void> {
  const found = withPrintableNames(traced);
  if (svg !== '') {
    const [{ pictureOf }, { writeFileAtomic }] = await Promise.all([
      import('../../trace/picture.ts'),
      import('../../sys/files.ts'),
    ]);
    const picture = pictureOf(found);
    if (svg === '-') {
      process.stdout.write(picture);
      return;
    }
    writeFileAtomic(svg, picture);
  }
  if (json) {
    const { traceJson } = await import('../../trace/trace-json.ts');
    return print(traceJson(found, report));
  }
  const paint = paintFor(process.stdout);
  print(drawTrace(found, { width: columnsOf(process.stdout), paint }));
  if (report === undefined) return;
  const { drawLive } = await import('../../trace/live-text.ts');
  print(`\n${drawLive(report, found, paint)}`);
}

/** Devices and firewall rules may be called as anybody likes. */
function withPrintableNames(found: Trace): Trace {
  return JSON.parse(JSON.stringify(found), (_, value) =>
    typeof value === 'string' ? printable(value) : value,
  ) as Trace;
}
