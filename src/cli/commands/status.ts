import { once } from 'node:events';
import process from 'node:process';
import type { Command } from 'commander';
import { WeftError } from '../../base/errors.ts';
import type { PeerStatus } from '../../view/peer-status.ts';
import { paintFor } from '../colour.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { readDaemonArguments, withDaemonFlags } from '../daemon-arguments.ts';
import { eachNetwork } from '../each-network.ts';
import type { FlagTable, FlagValues } from '../go-flags.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { type CalledPeer, peerChoice, unknownPeer } from '../peer-choice.ts';
import { inPeerOrder, type PeerOrder, peerOrders } from '../peer-order.ts';
import { lookingAtRegistry } from '../registry-command.ts';
import { debugging, isUsageError, print, renderError, reportError } from '../report.ts';
import { keepHeapSmall } from '../small-heap.ts';
import { statusJson, unreadJson } from '../status-json.ts';
import { renderStatus } from '../status-text.ts';
import { watchStatus } from '../status-watch.ts';
import { isHealthy, type ToldStatus } from '../told-status.ts';
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
  sort: {
    kind: 'string',
    default: 'state',
    placeholder: 'state|subnet|host|latency',
    help: 'in which order peers are shown; state puts what is wrong first, latency the slowest',
    check: text => (peerOrders.some(order => order === text) ? undefined : peerOrders.join(', ')),
  },
  watch: { kind: 'bool', default: false, help: 'again and again, until it is interrupted' },
  interval: { kind: 'int', default: 2, placeholder: 'SECONDS', help: 'with -watch: how often' },
} as const satisfies FlagTable;

const help: CommandHelp = {
  usage: 'weft status [flags]',
  summary: 'how this host stands in its network, and what leads to each peer',
  about: [
    'Reads config and leases from the registry, and looks in the kernel for what should be there for each of them. A daemon that runs adds what it alone knows: whether peers answer, what it repaired, what troubles it. Changes nothing, needs no daemon and no root. With the registry away it tells what the kernel, the subnet file and the daemon tell.',
    'Flags that are not given are read from FLANNELD_* variables, and then as they were given to the daemon that runs here, if one does: a note says which.',
  ],
  flags: withDaemonFlags(ownFlags),
  examples: [
    ['weft status', 'this host, and each peer: first those with troubles'],
    ['weft status -peer 10.2.14.3', 'the host of that container: each entry of the kernel'],
    ['weft status -watch -sort latency', 'the slowest peers, every two seconds anew'],
    ['weft status -json', 'for programs'],
  ],
  exitCodes: [
    [
      '0',
      'this host is a member, its daemon runs, everything leads where it shall, and no peer has fallen silent',
    ],
    ['1', 'something is not as it shall be, or not known'],
    ['2', 'asked wrongly, or nothing could be read'],
  ],
};

async function status(args: readonly string[]): Promise<void> {
  try {
    const given = readDaemonArguments(ownFlags, args);
    if (given === undefined) return print(renderCommandHelp(help));
    const { values, options } = given;
    const form = formOf(values);
    if (values.interval < 1) {
      throw new WeftError('flag-invalid', `-interval: expected 1 or more, got ${values.interval}`);
    }
    keepHeapSmall();
    const { readStatus } = await import('../read-status.ts');
    await lookingAtRegistry(options.registry, async (registry, signal) => {
      const read = async (): Promise<Iterable<string>> => {
        const all = await eachNetwork(options, { registry, signal }, readStatus);
        process.exitCode = all.every(isHealthy) ? 0 : 1;
        const chosen = values.peer === '' ? all : withPeer(all, values.peer);
        return form(chosen.map(one => inPeerOrder(one, values.sort as PeerOrder)));
      };
      await (values.watch ? watch(read, values, signal) : printParts(await read(), signal));
    });
  } catch (error) {
    if (isUsageError(error)) throw error;
    reportError(error);
    process.exitCode = 2;
  }
}

/** Chosen: few writes, and little to hold. */
const partLength = 64 * 1024;

/** No faster than they are read. */
async function printParts(parts: Iterable<string>, signal: AbortSignal): Promise<void> {
  const { stdout } = process;
  let gathered = '';
  for (const part of parts) {
    gathered += part;
    if (gathered.length < partLength) continue;
    if (!stdout.write(gathered)) await once(stdout, 'drain', { signal });
    gathered = '';
  }
  print(gathered);
}

type OwnValues = FlagValues<typeof ownFlags>;

/** Asked for each time: a terminal may have become wider. */
function formOf({
  json,
  watch: isRepeated,
  peer,
}: OwnValues): (all: readonly ToldStatus[]) => Iterable<string> {
  if (json) return all => statusJson(all, isRepeated ? 0 : 2);
  const { stdout } = process;
  return all => {
    const form = { columns: columnsOf(stdout), paint: paintFor(stdout), entries: peer !== '' };
    return [all.map(one => renderStatus(one, form)).join('\n\n')];
  };
}

/** What cannot be read now is told in the status's place, and may be read the next time. */
async function watch(
  read: () => Promise<Iterable<string>>,
  { json, interval }: OwnValues,
  signal: AbortSignal,
): Promise<void> {
  const { stdout } = process;
  // One document a line, wherever it goes.
  const screen = json ? { write: (text: string) => stdout.write(text) } : stdout;
  await watchStatus({
    ...{ screen, signal, intervalMs: interval * 1000 },
    separator: () => (json ? '' : `\n# ${new Date().toISOString()}\n\n`),
    read: async () => {
      try {
        return [...(await read())].join('');
      } catch (error) {
        if (signal.aborted) throw error;
        process.exitCode = 2;
        return json ? unreadJson(error) : renderError(error, { stacks: debugging() });
      }
    },
  });
}

/** Of several networks those that the peer is in. @throws WeftError `host-unknown` */
function withPeer(all: readonly ToldStatus[], text: string): ToldStatus[] {
  const isMeant = peerChoice(text);
  const found = all
    .map(one => ({ ...one, peers: one.peers.filter(peer => isMeant(called(peer))) }))
    .filter(({ peers }) => peers.length > 0);
  if (found.length > 0) return found;
  throw unknownPeer(text);
}

function called({ families }: PeerStatus): CalledPeer {
  return {
    addresses: families.flatMap(({ address }) => address ?? []),
    subnets: families.map(({ subnet }) => subnet),
  };
}
