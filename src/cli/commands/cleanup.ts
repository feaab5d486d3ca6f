import { existsSync } from 'node:fs';
import process from 'node:process';
import type { Command } from 'commander';
import { WeftError } from '../../base/errors.ts';
import { tryParsePrefix } from '../../base/prefix.ts';
import type { CleanupOptions, RegistryToClean } from '../../daemon/cleanup.ts';
import type { NamedNetwork } from '../../daemon/options.ts';
import { scopedRegistry } from '../../registry/scoped.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { deleteCommand } from '../delete-command.ts';
import { applyEnvironment } from '../flag-environment.ts';
import { parseGoInt } from '../flag-value.ts';
import { type FlagTable, type FlagValues, parseFlags } from '../go-flags.ts';
import { interruptible } from '../interrupt.ts';
import { parseNetworks } from '../networks-flag.ts';
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
  networks: {
    ...runFlags.networks,
    help: 'only these of several networks, each in its namespace if that is given, as by `weft run`',
  },
  'subnet-dir': runFlags['subnet-dir'],
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
  summary: 'take this host out of the network: devices, routes, rules, files',
  about: [
    'Removes the devices flannel.N and flannel-v6.N with all that is on them, the firewall rules and the subnet file; with -lease also the lease in the registry, which nothing else here needs. Each removal is printed as the command that does the same. What is not ours stays; when nothing of ours is here, nothing happens.',
    'Flags that are not given are read from FLANNELD_* variables, as by `weft run`.',
  ],
  flags: cleanupFlags,
  examples: [
    ['weft cleanup -dry-run', 'what would it do?'],
    ['weft cleanup', 'this host alone; its lease ends by itself within 24 hours'],
    ['weft cleanup -networks red@red', 'one of several networks, in its namespace'],
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
  const networks = values.networks === '' ? [undefined] : parseNetworks(values.networks);
  const cleanAll = async (signal: AbortSignal, registryOf: RegistryOf = () => undefined) => {
    for (const network of networks) {
      const file = network === undefined ? {} : fileOf(network, values['subnet-dir']);
      await clean({ ...options, ...file }, network, registryOf(network?.name), signal);
    }
  };
  if (!values.lease) return await interruptible(signal => cleanAll(signal));
  const where = registryOptionsOf(values);
  await withRegistry(where, (registry, signal) =>
    cleanAll(signal, name => ({
      registry: name === undefined ? registry : scopedRegistry(registry, name),
      deleteCommand: key => deleteCommand(where, name === undefined ? key : `${name}/${key}`),
    })),
  );
}

type RegistryOf = (network: string | undefined) => RegistryToClean | undefined;

function fileOf({ name }: NamedNetwork, folder: string): Pick<CleanupOptions, 'network' | 'subnetFile'> {
  return { network: name, subnetFile: `${folder}/${name}.env` };
}

async function clean(
  options: CleanupOptions,
  network: NamedNetwork | undefined,
  registry: RegistryToClean | undefined,
  signal: AbortSignal,
): Promise<void> {
  const [{ NetlinkSocket }, { cleanUp }] = await Promise.all([
    import('../../sys/netlink-socket.ts'),
    import('../../daemon/cleanup.ts'),
  ]);
  const netns = network?.netns;
  // With a namespace goes all that is in it: what is left of such a network is on the underlay.
  const isThere = netns !== undefined && existsSync(netns);
  if (netns !== undefined && !isThere) print(`# there is no network namespace ${netns}`);
  const underlay = NetlinkSocket.open();
  const socket = isThere ? NetlinkSocket.open({ netns }) : underlay;
  try {
    const elsewhere = isThere ? { netns, underlay } : undefined;
    await cleanUp(options, { socket, elsewhere, registry, print, signal });
  } finally {
    socket.close();
    underlay.close();
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
