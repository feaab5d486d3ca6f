import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { Command } from 'commander';
import { describeError } from '../../base/errors.ts';
import { familyOf } from '../../base/ip.ts';
import type { NetlinkSocket } from '../../sys/netlink-socket.ts';
import type { AskingThere } from '../../trace/ask-there.ts';
import { drawTrace } from '../../trace/drawing.ts';
import type { Trace } from '../../trace/hop.ts';
import type { LiveReport } from '../../trace/live-probe.ts';
import { paintFor } from '../colour.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { applyEnvironment } from '../flag-environment.ts';
import { withFlagsOfDaemon } from '../flags-of-daemon.ts';
import { parseFlags } from '../go-flags.ts';
import { interruptible } from '../interrupt.ts';
import { openToLook } from '../open-registry.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { type RegistryOptions, registryOptionsOf } from '../registry-flags.ts';
import { print, reportWarning } from '../report.ts';
import { peerPortOf } from '../run-options.ts';
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
    'The other half is told by the daemon of the other host, as its own kernel has it; where none answers, by the registry.',
    "Where the registry cannot be reached, this host's half is there all the same.",
    'Flags that are not given are read from FLANNELD_* variables, and then as they were given to the daemon that runs here, if one does: a note says which.',
  ],
  flags: traceFlags,
  examples: [
    ['weft trace 10.2.14.3', 'from this host to a container elsewhere'],
    ['weft trace -from 10.2.1.2 10.2.14.3', 'from a container of this host'],
    ['weft trace -live 10.2.14.3', 'send a packet, and see how far it gets'],
    ['weft trace -svg trace.svg 10.2.14.3', 'a picture for a report'],
    ['weft lab exec host1 -- weft trace 10.5.2.2', 'in a host of the lab'],
  ],
  exitCodes: [['1', 'the way is broken, or it could not be traced']],
};

async function trace(args: readonly string[]): Promise<void> {
  const parsed = parseFlags(traceFlags, args, { interspersed: true });
  if (parsed.help) return print(renderCommandHelp(help));
  const options = traceOptionsOf(parsed.values, parsed.rest);
  const all = parseFlags(traceFlags, withFlagsOfDaemon(traceFlags, args, process.env), {
    interspersed: true,
  });
  const { values, warnings } = applyEnvironment(traceEnvironmentFlags, all, process.env);
  warnings.forEach(reportWarning);
  const sources = {
    registry: registryOptionsOf(values),
    subnetFile: values['subnet-file'],
    port: peerPortOf(values),
  };
  await interruptible(signal => traceHere(options, sources, signal));
}

interface Sources {
  readonly registry: RegistryOptions;
  readonly subnetFile: string;
  /** Of the peers' doors. */
  readonly port: number;
}

async function traceHere(
  options: TraceOptions,
  { registry, subnetFile, port }: Sources,
  signal: AbortSignal,
): Promise<void> {
  const [
    { NetlinkSocket },
    { readView },
    { readFirewall },
    { readNetwork },
    { runTrace },
    { askThere },
    subnetEnv,
  ] = await Promise.all([
    import('../../sys/netlink-socket.ts'),
    import('../../trace/read-view.ts'),
    import('../../trace/read-firewall.ts'),
    import('../../trace/read-network.ts'),
    import('../../trace/run-trace.ts'),
    import('../../trace/ask-there.ts'),
    readFile(subnetFile, 'utf8').catch(() => ''),
  ]);
  const socket = NetlinkSocket.open();
  try {
    const firewall = await readFirewall(undefined, familyOf(options.destination), signal);
    const view = await readView(socket, firewall);
    const network = await readNetwork(() => openToLook(registry), { subnetEnv, view, signal });
    const asking = { view, network, port, signal };
    const found = await askThere(await runTrace(socket, view, network, options), asking);
    const { destination } = options;
    // It is this host that sends the packet, wherever the trace began.
    const sent = () => runTrace(socket, view, network, { destination, from: undefined });
    const report = options.live
      ? await probe(socket, found.start === 'host' ? found : await sent(), asking)
      : undefined;
    await show(options, found, report);
    if (found.verdict === 'broken') process.exitCode = 1;
  } finally {
    socket.close();
  }
}

/** Chosen: longer than an answer takes from the other side of the world. */
const patienceMs = 1000;

async function probe({ netns }: NetlinkSocket, found: Trace, asking: AskingThere): Promise<LiveReport> {
  const { view, signal } = asking;
  const [{ probeLive }, { devicesOnWay }, { watchThere }] = await Promise.all([
    import('../../trace/live-probe.ts'),
    import('../../trace/live-text.ts'),
    import('../../trace/ask-there.ts'),
  ]);
  const names = devicesOnWay(view, found);
  const devices = view.links.filter(({ name }) => names.includes(name));
  devices.sort((one, other) => names.indexOf(one.name) - names.indexOf(other.name));
  const { destination } = found;
  const mark = randomInt(2 ** 32);
  const unseen = (error: unknown) => {
    signal.throwIfAborted();
    return { thereProblem: describeError(error) };
  };
  const watch = await watchThere(found, asking, { mark, watchMs: patienceMs * 2 }).catch(unseen);
  const report = await probeLive({ netns, destination, devices, mark, patienceMs, signal });
  if (watch === undefined || 'thereProblem' in watch) return { ...report, ...watch };
  return { ...report, ...(await watch.seen(0).then(there => ({ there }), unseen)) };
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
  const drawing = { width: columnsOf(process.stdout), paint: paintFor(process.stdout) };
  print(drawTrace(found, drawing));
  if (report === undefined) return;
  const { drawLive } = await import('../../trace/live-text.ts');
  print(`\n${drawLive(report, found, drawing)}`);
}

/** Devices and firewall rules may be called as anybody likes. */
function withPrintableNames(found: Trace): Trace {
  return JSON.parse(JSON.stringify(found), (_, value) =>
    typeof value === 'string' ? printable(value) : value,
  ) as Trace;
}
