import process from 'node:process';
import type { Command } from 'commander';
import { WeftError } from '../../base/errors.ts';
import { tryParsePrefix } from '../../base/prefix.ts';
import type { CleanupOptions, RegistryToClean } from '../../daemon/cleanup.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { deleteCommand } from '../delete-command.ts';
import { applyEnvironment } from '../flag-environment.ts';
import { parseGoInt } from '../flag-value.ts';
import { type FlagTable, type FlagValues, parseFlags } from '../go-flags.ts';
import { interruptible } from '../interrupt.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { withRegistry } from '../registry-command.ts';
import { registryFlags, registryOptionsOf } from '../registry-flags.ts';
import { print, reportWarning } from '../report.ts';
import { runFlags } from '../run-flags.ts';

/** `weft cleanup`: takes this host out of the network. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'cleanup', help, cleanup);
}

const cleanupFlags = {
  'dry-run': { kind: 'bool', default: false, help: 'print what would be done, and change nothing' },
  vni: {
    kind: 'strings',
    placeholder: 'N',
    help: 'only the devices of this VXLAN network; all unless given',
  },
  'subnet-file': runFlags['subnet-file'],
  lease: { kind: 'bool', default: false, help: "remove this host's lease from the registry as well" },
  reservation: {
    kind: 'strings',
    placeholder: 'SUBNET',
    help: 'with -lease: remove it even though it is a reservation, which stays otherwise',
  },
  force: { kind: 'bool', default: false, help: 'go on although a daemon runs here' },
  ...registryFlags,
} as const satisfies FlagTable;

const help: CommandHelp = {
  usage: 'weft cleanup [flags]',
  summary: 'take this host out of the network: remove devices, routes, rules and files of ours',
  about: [
    'Removes the devices flannel.N and flannel-v6.N with all that is on them, the firewall rules and the subnet file; with -lease also the lease in the registry, which nothing else here needs. Each removal is printed as the command that does the same. What is not ours stays; when nothing of ours is here, nothing happens.',
    'Flags that are not given are read from FLANNELD_* variables, as by `weft run`.',
  ],
  flags: cleanupFlags,
  examples: [
    ['weft cleanup -dry-run', 'what would it do?'],
    ['weft cleanup', 'this host alone; its lease ends by itself within 24 hours'],
    ['weft cleanup -lease -etcd-endpoints http://10.0.0.1:2379', 'and peers forget it at once'],
  ],
};

async function cleanup(args: readonly string[]): Promise<void> {
  const parsed = parseFlags(cleanupFlags, args, { interspersed: true });
  if (parsed.help) return print(renderCommandHelp(help));
  if (parsed.rest[0] !== undefined) throw new WeftError('usage', `unexpected argument ${parsed.rest[0]}`);
  const { values, warnings } = applyEnvironment(cleanupFlags, parsed, process.env);
  warnings.forEach(reportWarning);
  const options = cleanupOptionsOf(values);
  if (!values.lease) return await interruptible(signal => clean(options, undefined, signal));
  const where = registryOptionsOf(values);
  await withRegistry(where, (registry, signal) =>
    clean(options, { registry, deleteCommand: key => deleteCommand(where, key) }, signal),
  );
}

async function clean(
  options: CleanupOptions,
  registry: RegistryToClean | undefined,
  signal: AbortSignal,
): Promise<void> {
  const [{ NetlinkSocket }, { cleanUp }] = await Promise.all([
    import('../../sys/netlink-socket.ts'),
    import('../../daemon/cleanup.ts'),
  ]);
  const socket = NetlinkSocket.open();
  try {
    await cleanUp(options, { socket, registry, print, signal });
  } finally {
    socket.close();
  }
}

function cleanupOptionsOf(values: FlagValues<typeof cleanupFlags>): CleanupOptions {
  if (values.reservation.length > 0 && !values.lease) {
    throw new WeftError('usage', '-reservation: has a meaning only with -lease');
  }
  return {
    vnis: values.vni.map(vniOf),
    subnetFile: values['subnet-file'],
    dryRun: values['dry-run'],
    force: values.force,
    reservations: values.reservation.map(subnetOf),
  };
}

function vniOf(text: string): number {
  const vni = parseGoInt(text);
  if (vni !== undefined && vni >= 0 && vni < 1 << 24) return vni;
  throw new WeftError('flag-invalid', `-vni: expected 0 to 16777215, got ${JSON.stringify(text)}`);
}

function subnetOf(text: string): string {
  const subnet = tryParsePrefix(text);
  if (subnet !== undefined) return subnet;
  throw new WeftError(
    'flag-invalid',
    `-reservation: expected a subnet such as 10.2.14.0/24, got ${JSON.stringify(text)}`,
  );
}
