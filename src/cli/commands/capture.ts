import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import process from 'node:process';
import type { Command } from 'commander';
import { WeftError } from '../../base/errors.ts';
import type { Prefix } from '../../base/prefix.ts';
import type { CapturePlan } from '../../capture/capture-plan.ts';
import { type ByteSink, CaptureWriter, openCaptureFile } from '../../capture/capture-writer.ts';
import { PacketView } from '../../capture/packet-view.ts';
import { parseSubnetEnv } from '../../lease/subnet-env.ts';
import type { CapturedPacket, CaptureInterface } from '../../wire/pcap-record.ts';
import { type CaptureOptions, captureFlags, captureOptionsOf, leastSnapBytes } from '../capture-options.ts';
import { CaptureOutput } from '../capture-output.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { parseFlags } from '../go-flags.ts';
import { interruptible } from '../interrupt.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { print, reportWarning } from '../report.ts';
import { runFlags } from '../run-flags.ts';
import { weftVersion } from '../version.ts';
import { printable, wrap } from '../wrap.ts';

/** `weft capture`: the overlay's packets on their way between the hosts. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'capture', help, capture);
}

const help: CommandHelp = {
  usage: 'weft capture [flags]',
  summary: 'show the packets of the overlay as they travel between the hosts',
  about: [
    "Captures on the underlay what the tunnels of this host send and receive, and shows each packet in one line: when, from (<-) or to (->) which host, in which VXLAN network, and the container's packet inside. Later fragments, and ICMP errors about such packets, are shown as well. Needs CAP_NET_RAW, and neither the daemon nor the registry.",
    'Ends with Ctrl-C, after -c packets, or when nobody reads its output any more; then it says how many packets the kernel had no room for.',
  ],
  flags: captureFlags,
  examples: [
    ['weft capture', 'all of it'],
    ['weft capture -peer 10.2.14.3 -c 10', 'ten packets of the host of that container'],
    ['weft capture -v -c 1', 'every header of one packet'],
    ['weft capture -q -w overlay.pcapng', 'for Wireshark, whole packets'],
    ['weft capture -r overlay.pcapng', 'the same lines from a file'],
    ['weft capture -i eth0 -port 4789', 'where there is no device of ours'],
    ['weft lab exec host1 -- weft capture', 'in a host of the lab'],
  ],
};

async function capture(args: readonly string[]): Promise<void> {
  const parsed = parseFlags(captureFlags, args, { interspersed: true });
  if (parsed.help) return print(renderCommandHelp(help));
  if (parsed.rest[0] !== undefined) throw new WeftError('usage', `unexpected argument ${parsed.rest[0]}`);
  const options = captureOptionsOf(parsed.values);
  await interruptible(async signal => {
    const stop = AbortSignal.any([signal, closedOutput()]);
    await (options.readFrom === '' ? captureHere(options, stop) : readBack(options, stop));
  });
}

/** `weft capture | head`: the file is finished, and what there is to say is said. */
function closedOutput(): AbortSignal {
  const closed = new AbortController();
  process.stdout.removeAllListeners('error').on('error', () => closed.abort());
  return closed.signal;
}

async function captureHere(options: CaptureOptions, signal: AbortSignal): Promise<void> {
  const [plan, { captureLive }] = await Promise.all([planHere(options), import('../../capture/live.ts')]);
  const ports = plan.points.flatMap(({ carriers }) => carriers.map(({ port }) => port));
  await withView({ ...options, ports, vnis: [], peer: undefined }, async (view, writer) => {
    const statistics = await captureLive(plan, {
      snapBytes: options.snapBytes ?? leastSnapBytes(plan),
      signal,
      onStart: () => say(startText(plan)),
      onPacket: packet => view.take(packet),
      onLoss: packets => reportWarning(lossText(packets)),
    });
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    for (const one of statistics) writer?.statistics(one, nowNs);
    return () => {
      const lost = statistics.reduce((sum, { dropped = 0 }) => sum + dropped, 0);
      say(`${counted(view.shown)}, ${lost === 0 ? 'none lost' : lossText(lost)}`);
      if (view.leftOut > 0) say(`left out: ${counted(view.leftOut)}, fragments of other datagrams`);
    };
  });
}

async function readBack(options: CaptureOptions, signal: AbortSignal): Promise<void> {
  const { readStored, portsOf } = await import('../../capture/stored.ts');
  const { readFrom } = options;
  const ports = options.ports.length > 0 ? [...options.ports] : [...usualPorts];
  const seen = new WeakSet<CaptureInterface>();
  const learn = (via: CaptureInterface) => {
    if (options.ports.length > 0 || seen.has(via)) return;
    seen.add(via);
    ports.push(...portsOf(via).filter(port => !ports.includes(port)));
  };
  const name = readFrom === '-' ? 'stdin' : readFrom;
  const source = readFrom === '-' ? process.stdin : createReadStream(readFrom, { highWaterMark: 256 * 1024 });
  await withView({ ...options, ports }, async view => {
    const onPacket = (packet: CapturedPacket) => {
      learn(packet.via);
      return signal.aborted ? ('enough' as const) : view.take(packet);
    };
    // Whoever types on stdin may never end it.
    signal.addEventListener('abort', () => source.destroy(), { once: true });
    const { packets, dropped, leftBytes } = await readStored({ source, name, signal, onPacket });
    return () => {
      const inside = view.shown === view.taken ? '' : `, which hold ${counted(view.shown)} of the overlay`;
      say(`${view.taken} of ${counted(packets)} in ${name}${inside}`);
      if (dropped > 0) say(`the kernel had no room for ${counted(dropped)} more when this was captured`);
      if (leftBytes > 0) reportWarning(`${name} ends in the middle of a packet: it was cut short`);
      if (view.shown === 0 && packets > 0 && !signal.aborted)
        say(`none has the UDP port ${ports.join(', ')}: if the tunnel has another, name it with -port`);
    };
  });
}

/** VXLAN of Linux and flannel, VXLAN of RFC 7348, flannel's udp backend. */
const usualPorts = [8472, 4789, 8285];

/** Runs `work` with its outputs; what it gives back is said when they are complete. */
async function withView(
  options: CaptureOptions,
  work: (view: PacketView, writer: CaptureWriter | undefined) => Promise<() => void>,
): Promise<void> {
  const { writeTo, ports, vnis, peer, count, quiet, verbose } = options;
  const origin = { program: `weft ${weftVersion()}`, system: `Linux ${release()}` };
  const writer = writeTo === '' ? undefined : new CaptureWriter(sinkOf(writeTo), origin);
  const output = new CaptureOutput(writer, quiet ? 'none' : verbose ? 'details' : 'line');
  const show: CaptureOutput['show'] = (packet, overlay) => output.show(packet, overlay);
  let conclude = () => {};
  try {
    conclude = await work(new PacketView({ ports, choice: { vnis, peer }, count, writer, show }), writer);
  } finally {
    output.flush();
    writer?.close();
  }
  conclude();
}

function sinkOf(file: string): ByteSink {
  if (file !== '-') return openCaptureFile(file);
  if (process.stdout.isTTY) {
    throw new WeftError('usage', '-w -: a terminal cannot show pcapng', {
      remedy: 'pipe it: weft capture -w - | wireshark -k -i -',
    });
  }
  return { write: bytes => void process.stdout.write(bytes), close: () => {} };
}

async function planHere({ devices, ports, vnis, peer }: CaptureOptions): Promise<CapturePlan> {
  const [{ NetlinkSocket }, { planCapture }, networks] = await Promise.all([
    import('../../sys/netlink-socket.ts'),
    import('../../capture/capture-plan.ts'),
    ownNetworks(),
  ]);
  const socket = NetlinkSocket.open();
  try {
    return await planCapture(socket, { devices, ports, vnis, peer, networks });
  } finally {
    socket.close();
  }
}

/** What the daemon has written down, if it has; it need not run. */
async function ownNetworks(): Promise<Prefix[]> {
  const file = process.env['FLANNELD_SUBNET_FILE'] || runFlags['subnet-file'].default;
  const { network, ipv6Network } = parseSubnetEnv(await readFile(file, 'utf8').catch(() => ''));
  return [network, ipv6Network].filter(found => found !== undefined);
}

function startText({ points, hosts }: CapturePlan): string {
  const where = points.map(
    ({ link, carriers }) => `${carriers.map(carrierText).join(' and ')} on ${link.name}`,
  );
  const whose = hosts.length === 0 ? '' : `, packets of ${hosts.join(' and ')}`;
  return `capturing ${where.join('; ')}${whose}; Ctrl-C ends`;
}

function carrierText({ port, vnis }: CapturePlan['points'][number]['carriers'][number]): string {
  return vnis.length === 0 ? `UDP ${port}` : `VNI ${vnis.join(', ')} (UDP ${port})`;
}

function lossText(packets: number): string {
  return `${counted(packets)} lost, for which the kernel had no room: this program is too slow for them; -q with -w, a smaller -s, or -peer help`;
}

function counted(packets: number): string {
  return `${packets} packet${packets === 1 ? '' : 's'}`;
}

/** To stderr, so that stdout is packets alone. */
function say(sentence: string): void {
  process.stderr.write(`${wrap(printable(`weft: ${sentence}`), { hanging: 6 })}\n`);
}
