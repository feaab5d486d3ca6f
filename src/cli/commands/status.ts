import process from 'node:process';
import type { Command } from 'commander';
import { WeftError } from '../../base/errors.ts';
import { type IpAddress, tryParseIp } from '../../base/ip.ts';
import { prefixContains, tryParsePrefix } from '../../base/prefix.ts';
import type { HostStatus } from '../../view/host-status.ts';
import type { PeerStatus } from '../../view/peer-status.ts';
import { paintFor } from '../colour.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { readDaemonArguments, withDaemonFlags } from '../daemon-arguments.ts';
import { eachNetwork, type PlacedNetwork } from '../each-network.ts';
import type { FlagTable } from '../go-flags.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { withRegistry } from '../registry-command.ts';
import { isUsageError, print, reportError } from '../report.ts';
import { keepHeapSmall } from '../small-heap.ts';
import { statusJson } from '../status-json.ts';
import { isHealthy, renderStatus, type ToldStatus } from '../status-text.ts';
import { columnsOf } from '../wrap.ts';

/** `weft status`: how this host stands in its network, and what leads to the others. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'status', help, status);
}

const ownFlags = {
  json: { kind: 'bool', default: false, help: 'print JSON, which docs/status.md describes' },
  peer: {
    kind: 'string',
    default: '',
    placeholder: 'HOST',
    help: 'only that peer, with all that leads to it: its underlay address, its subnet, or an address in that',
  },
} as const satisfies FlagTable;

const help: CommandHelp = {
  usage: 'weft status [flags]',
  summary: 'how this host stands in its network, and what leads to each peer',
  about: [
    'Reads config and leases from the registry, and looks in the kernel for what should be there for each of them. Changes nothing, needs no daemon and no root. With the registry away it tells what the kernel and the subnet file tell.',
    'Flags that are not given are read from FLANNELD_* variables, so that the environment file of the daemon serves here too.',
  ],
  flags: withDaemonFlags(ownFlags),
  examples: [
    ['weft status', 'this host, and each peer: first those with troubles'],
    ['weft status -peer 10.2.14.3', 'the host of that container: each entry of the kernel'],
    ['weft status -json', 'for programs'],
  ],
  exitCodes: [
    ['0', 'this host is a member, its daemon runs, and everything leads where it shall'],
    ['1', 'something is not as it shall be, or not known'],
    ['2', 'asked wrongly, or nothing could be read'],
  ],
};

async function status(args: readonly string[]): Promise<void> {
  try {
    const given = readDaemonArguments(ownFlags, args);
    if (given === undefined) return print(renderCommandHelp(help));
    const { values, options } = given;
    keepHeapSmall();
    const all = await withRegistry(options.registry, (registry, signal) =>
      eachNetwork(options, { registry, signal }, statusOf),
    );
    const shown = values.peer === '' ? all : withPeer(all, values.peer);
    const { stdout } = process;
    const form = { columns: columnsOf(stdout), paint: paintFor(stdout), entries: values.peer !== '' };
    print(values.json ? statusJson(shown) : shown.map(one => renderStatus(one, form)).join('\n\n'));
    process.exitCode = all.every(isHealthy) ? 0 : 1;
  } catch (error) {
    if (isUsageError(error)) throw error;
    reportError(error);
    process.exitCode = 2;
  }
}

async function statusOf({ name, options, tools }: PlacedNetwork): Promise<ToldStatus> {
  const { readHostStatus, withoutDaemon } = await import('../../view/host-status.ts');
  const found = await readHostStatus(options, tools);
  const runs = await daemonRuns(found, tools.netns);
  return { ...(runs ? found : withoutDaemon(found)), network: name, daemonRuns: runs };
}

/** Whoever has a device of the network in hand holds its lock, in the namespace of the device. */
async function daemonRuns({ locks }: HostStatus, netns: string | undefined): Promise<boolean> {
  const [{ instancePrefix }, { heldUnixNames }, { inNetns }] = await Promise.all([
    import('../../daemon/instance-lock.ts'),
    import('../../sys/unix-name.ts'),
    import('../../sys/netns.ts'),
  ]);
  const read = (): readonly string[] => heldUnixNames(instancePrefix);
  const held = netns === undefined ? read() : inNetns(netns, read);
  return locks.some(name => held.includes(instancePrefix + name));
}

/** Of several networks those that the peer is in. @throws WeftError `host-unknown` */
function withPeer(all: readonly ToldStatus[], text: string): ToldStatus[] {
  const found = all
    .map(one => ({ ...one, peers: one.peers.filter(peer => isCalled(peer, text)) }))
    .filter(({ peers }) => peers.length > 0);
  if (found.length > 0) return found;
  throw new WeftError('host-unknown', `no peer is, or has, ${text}`, {
    remedy: 'give its underlay address, its subnet, or an address in that; `weft status` lists the peers',
  });
}

function isCalled({ families }: PeerStatus, text: string): boolean {
  const address: IpAddress | undefined = tryParseIp(text);
  const prefix = tryParsePrefix(text);
  return families.some(
    one =>
      one.subnet === prefix ||
      (address !== undefined && (one.address === address || prefixContains(one.subnet, address))),
  );
}
