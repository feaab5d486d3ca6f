import process from 'node:process';
import type { Command } from 'commander';
import { hasCode } from '../../base/errors.ts';
import type { Registry } from '../../registry/registry.ts';
import { paintFor } from '../colour.ts';
import { type CommandHelp, renderCommandHelp } from '../command-help.ts';
import { configsOf } from '../configs-apart.ts';
import { readDaemonArguments, withDaemonFlags } from '../daemon-arguments.ts';
import { eachNetwork, type PlacedNetwork } from '../each-network.ts';
import type { FlagTable } from '../go-flags.ts';
import { registerWithOwnArguments } from '../own-arguments.ts';
import { planJson } from '../plan-json.ts';
import { isComplete, isDifferent, type Plan, renderPlan } from '../plan-text.ts';
import { lookingAtRegistry } from '../registry-command.ts';
import { isUsageError, print, reportError, reportWarning } from '../report.ts';
import type { RunOptions } from '../run-options.ts';
import { keepHeapSmall } from '../small-heap.ts';
import { columnsOf } from '../wrap.ts';

/** `weft plan`: what the daemon would change here, and changes nothing. */
export function register(program: Command): void {
  registerWithOwnArguments(program, 'plan', help, plan);
}

const ownFlags = {
  json: { kind: 'bool', default: false, help: 'print JSON, which docs/plan.md describes' },
  as: {
    kind: 'string',
    default: '',
    placeholder: 'HOST',
    help: 'what that host should have, from nothing: its underlay address, its subnet, or an address in that',
  },
} as const satisfies FlagTable;

const help: CommandHelp = {
  usage: 'weft plan [flags]',
  summary: 'what this host lacks of what it should have, as commands',
  about: [
    'Reads config and leases from the registry and the state of the kernel, and prints what `weft run` with the same flags would do, as a script for a shell in which all else is a comment. Changes nothing, and needs no daemon; without root the firewall cannot be read.',
    'Flags that are not given are read from FLANNELD_* variables, and then as they were given to the daemon that runs here, if one does: a note says which.',
  ],
  flags: withDaemonFlags(ownFlags),
  examples: [
    ['weft plan', 'is everything as it should be, and if not, what is wrong?'],
    ['weft plan -etcd-endpoints http://10.0.0.1:2379 | sh', 'put it right without the daemon'],
    ['weft plan -as 10.2.14.0/24', 'what the host of that subnet should have'],
    ['weft plan -json', 'for programs'],
  ],
  exitCodes: [
    ['0', 'everything is as it shall be'],
    ['1', 'something differs'],
    ['2', 'asked wrongly, or what is needed could not be read'],
  ],
};

async function plan(args: readonly string[]): Promise<void> {
  try {
    const given = readDaemonArguments(ownFlags, args);
    if (given === undefined) return print(renderCommandHelp(help));
    const { values, options } = given;
    keepHeapSmall();
    const plans = await lookingAtRegistry(options.registry, async (registry, signal) =>
      values.as === ''
        ? await eachNetwork(options, { registry, signal }, planHere)
        : await plansOf(values.as, options, { registry, signal }),
    );
    print(values.json ? planJson(plans) : plans.map(one => renderPlan(one, form())).join('\n'));
    process.exitCode = plans.some(isDifferent) ? 1 : plans.every(isComplete) ? 0 : 2;
  } catch (error) {
    if (isUsageError(error)) throw error;
    reportError(error);
    process.exitCode = 2;
  }
}

function form(): Parameters<typeof renderPlan>[1] {
  const { stdout } = process;
  return { columns: columnsOf(stdout), breakCommands: stdout.isTTY === true, paint: paintFor(stdout) };
}

async function planHere({ name, options, tools, apart }: PlacedNetwork): Promise<Plan> {
  const { readHostPlan } = await import('../../view/host-plan.ts');
  const found = await readHostPlan(options, { ...tools, apart: await configsOf(apart, tools.signal) });
  const { view, member, firewalls, remarks } = found;
  view.warnings.forEach(reportWarning);
  const { peers, desired, steps } = member;
  return {
    ...{ network: name, netns: tools.netns, steps, firewalls, remarks },
    ...{ peers: peers.used.length, objects: desired.size },
  };
}

/** Of several networks in those that the host is in. @throws WeftError `host-unknown` when it is in none */
async function plansOf(
  host: string,
  options: RunOptions,
  tools: { readonly registry: Registry; readonly signal: AbortSignal },
): Promise<Plan[]> {
  let unknown: unknown;
  const plans = await eachNetwork(options, tools, network =>
    planElsewhere(host, network).catch((error: unknown) => {
      if (!hasCode(error, 'host-unknown')) throw error;
      unknown = error;
    }),
  );
  const found = plans.filter(plan => plan !== undefined);
  if (found.length === 0) throw unknown;
  return found;
}

async function planElsewhere(host: string, { name, options, tools }: PlacedNetwork): Promise<Plan> {
  const { viewElsewhere } = await import('../../view/host-elsewhere.ts');
  const { peers, desired, steps, remarks } = await viewElsewhere(host, options, tools);
  return {
    ...{ network: name, netns: undefined, steps, remarks, firewalls: [] },
    ...{ peers: peers.used.length, objects: desired.size },
  };
}
