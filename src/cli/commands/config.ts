import type { Command } from 'commander';
import { describeError, WeftError } from '../../base/errors.ts';
import { countSubnets } from '../../lease/allocation.ts';
import { type NetworkConfig, parseNetworkConfig } from '../../lease/network-config.ts';
import { formatNetworkConfig } from '../../lease/network-config-text.ts';
import type { RegistryEntry } from '../../registry/registry.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { configChanges, renderConfigChange } from '../config-change.ts';
import { readConfigFile } from '../config-file.ts';
import { explain } from '../describe.ts';
import { parseFlags } from '../go-flags.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { lookingAtRegistry, readRegistryArguments, withRegistry } from '../registry-command.ts';
import { registryFlags } from '../registry-flags.ts';
import { print, reportWarning } from '../report.ts';

/** `weft config`: what network there shall be, the same for all hosts. */
export function register(program: Command): void {
  const config = program
    .command('config')
    .description('check, show or set the network config that all hosts share');
  explain(config, { examples: [checkHelp, getHelp, putHelp].flatMap(({ examples }) => examples) });
  registerWithOwnArguments(config, 'check', checkHelp, check);
  registerWithOwnArguments(config, 'get', getHelp, get);
  registerWithOwnArguments(config, 'put', putHelp, put);
}

const checkHelp: CommandHelp = {
  usage: 'weft config check FILE|-',
  summary: 'check a config file, and print it with every default filled in',
  about: [
    'Reads a file, or stdin for -, and talks to no registry. Warnings go to stderr; an invalid config ends with 1.',
  ],
  examples: [
    ['weft config check net.json', 'is it valid, and what does it mean?'],
    [`echo '{"Network":"10.5.0.0/16"}' | weft config check -`, 'from stdin'],
  ],
};

const getHelp: CommandHelp = {
  usage: 'weft config get [flags]',
  summary: 'print the config that the registry holds, as it is',
  about: ['Flags that are not given are read from FLANNELD_* variables, as by `weft run`.'],
  flags: registryFlags,
  examples: [['weft config get -etcd-endpoints http://10.0.0.1:2379', 'from etcd']],
};

const putHelp: CommandHelp = {
  usage: 'weft config put [flags] FILE|-',
  summary: 'check a config file and write it to the registry',
  about: [
    'Nothing is written when the config is invalid, or when somebody else changes it at the same time.',
    'Flags that are not given are read from FLANNELD_* variables, as by `weft run`.',
  ],
  flags: registryFlags,
  examples: [['weft config put -registry dir:/var/lib/weft net.json', 'into a directory, without etcd']],
};

async function check(args: readonly string[]): Promise<void> {
  const { help, rest } = parseFlags({}, args, { interspersed: true });
  if (help) return print(renderCommandHelp(checkHelp));
  const { config, warnings } = await readConfigFile(oneFile(rest, checkHelp));
  warnings.forEach(reportWarning);
  print(formatNetworkConfig(config));
}

async function get(args: readonly string[]): Promise<void> {
  const { help, registry: options, positional } = readRegistryArguments(args);
  if (help) return print(renderCommandHelp(getHelp));
  if (positional[0] !== undefined) throw wrongUsage(`unexpected argument ${positional[0]}`, getHelp);
  await lookingAtRegistry(options, async (registry, signal) => {
    const entry = await registry.get(configKey, { signal });
    if (entry !== undefined) return print(entry.value);
    throw new WeftError('config-missing', `${registry.name} holds no network config`, {
      remedy: 'write one with `weft config put FILE`, or name another -registry or -etcd-prefix',
    });
  });
}

async function put(args: readonly string[]): Promise<void> {
  const { help, registry: options, positional } = readRegistryArguments(args);
  if (help) return print(renderCommandHelp(putHelp));
  const { text, config, warnings } = await readConfigFile(oneFile(positional, putHelp));
  warnings.forEach(reportWarning);
  await withRegistry(options, async (registry, signal) => {
    const current = await registry.get(configKey, { signal });
    if (current?.value === text) return print(`${registry.name} holds exactly this config already`);
    const result = await registry.put(configKey, text, { expect: current?.revision ?? 'absent', signal });
    if (!result.written) throw changedMeanwhile(registry.name);
    print(
      `written to ${registry.name}: room for ${countSubnets(config)} hosts, backend ${config.backend.type}`,
    );
    tellChanges(current, config);
  });
}

/** Below the network's prefix, as flannel names it. */
const configKey = 'config';

function oneFile(positional: readonly string[], help: CommandHelp): string {
  const [file, unexpected] = positional;
  if (file === undefined) throw wrongUsage('expected a FILE, or - for stdin', help);
  if (unexpected !== undefined) throw wrongUsage(`unexpected argument ${unexpected}`, help);
  return file;
}

function wrongUsage(message: string, { usage }: CommandHelp): WeftError {
  return new WeftError('usage', message, { remedy: usage });
}

function changedMeanwhile(where: string): WeftError {
  return new WeftError('config-changed', `${where}: somebody else changed the config at the same time`, {
    remedy: 'look at it with `weft config get`, then put again',
  });
}

function tellChanges(old: RegistryEntry | undefined, config: NetworkConfig): void {
  const before = old === undefined ? undefined : readOld(old.value);
  const changes = configChanges(before, config);
  if (changes.length === 0) print('  the text is new, its meaning is as before');
  for (const change of changes) print(`  ${renderConfigChange(change)}`);
  if (old === undefined || changes.length === 0) return;
  const keys = changes.map(change => change.key).join(', ');
  reportWarning(
    `hosts follow ${keys} at once where they can, one after the other; flanneld only when it is restarted`,
  );
  if (changes.some(({ key }) => cutsOff.includes(key))) {
    reportWarning('until all have followed, hosts with the old and the new value do not reach each other');
  }
}

/** Both ends of a tunnel must agree on these. */
const cutsOff = ['Network', 'Backend.Type', 'Backend.VNI', 'Backend.Port', 'Backend.GBP'];

function readOld(text: string): NetworkConfig | undefined {
  try {
    return parseNetworkConfig(text).config;
  } catch (error) {
    reportWarning(`the config before was invalid: ${describeError(error)}`);
    return undefined;
  }
}
