/**
 * The flags of the daemon that runs here, for whoever looks at its network and does not give them: by other flags than the
 * daemon's it would be another network, or this one judged wrongly.
 */
import { resolve } from 'node:path';
import process from 'node:process';
import { WeftError } from '../base/errors.ts';
import { flanneldArguments, weftRunArguments } from '../control/daemon-command-line.ts';
import { processOrigin } from '../sys/process-origin.ts';
import { processesHere } from '../sys/process-status.ts';
import { applyEnvironment, type Environment, variableOf } from './flag-environment.ts';
import type { FlagValue } from './flag-value.ts';
import { type FlagTable, parseFlags } from './go-flags.ts';
import { registryFlags } from './registry-flags.ts';
import { reportNote } from './report.ts';
import { runFlags } from './run-flags.ts';
import { readRunOptions } from './run-options.ts';

/** What says which network, and which daemon of a host it is. */
const ofIdentity = [...Object.keys(registryFlags), 'subnet-file', 'networks', 'subnet-dir'];

/** What says how this host is in the network; the rest is about the daemon as a process. */
const ofMembership = [
  ...ofIdentity,
  ...['networks-allow', 'iface', 'iface-regex', 'iface-can-reach', 'public-ip', 'public-ipv6'],
  ...['ip-masq', 'ip-masq-fully-random-disable', 'ip-masq-exclude', 'iptables-forward-rules'],
  ...['route-next-hops', 'vtep-filter', 'peer-port'],
] as const;

/** One wish in three forms, of which the first that is fulfilled counts. */
const ofInterface = ['iface', 'iface-regex', 'iface-can-reach'];

/** Relative ones are relative to where the daemon was started. */
const ofPaths = ['subnet-file', 'subnet-dir', 'etcd-keyfile', 'etcd-certfile', 'etcd-cafile'];

/** What was asked for by arguments and variables. */
interface Asked {
  readonly values: Readonly<Record<string, FlagValue>>;
  /** The flags that were given, by either. */
  readonly given: ReadonlySet<string>;
}

/**
 * The arguments, and in front of them the flags of the daemon that neither they nor FLANNELD_* variables give; a note on
 * stderr says which these are. None are taken when it is not clear which daemon is meant: none runs in this network
 * namespace, several do, or what is given says that it is about another network. Flanneld's are as good.
 * @param args of a command whose flags are `table`; wrong ones are left to whoever parses them
 */
export function withFlagsOfDaemon(
  table: FlagTable,
  args: readonly string[],
  environment: Environment,
  note: (sentence: string) => void = reportNote,
): readonly string[] {
  const asked = askedBy(table, args, environment, process.cwd());
  if (asked === undefined) return args;
  const daemons = daemonsHere()
    .filter(({ asked: theirs }) => isAbout(asked, theirs))
    .map(daemon => ({ ...daemon, names: missing(table, asked, daemon.asked) }));
  const [daemon] = daemons;
  if (daemon === undefined || daemons.every(({ names }) => names.length === 0)) return args;
  if (daemons.length > 1) {
    const pids = daemons.map(({ pid }) => pid).join(', ');
    note(`several daemons run here, pids ${pids}: by -subnet-file one is chosen, whose flags are then taken`);
    return args;
  }
  const { names } = daemon;
  const flags = names.map(name => `-${name}`).join(' ');
  note(`${flags} as given to ${daemon.name}, pid ${daemon.pid}, which runs here`);
  return [...names.flatMap(name => argumentsFor(name, daemon.asked.values[name])), ...args];
}

interface Daemon {
  readonly name: string;
  readonly pid: number;
  readonly asked: Asked;
}

const kinds = [
  { name: 'weft run', program: /^node/, argumentsOf: weftRunArguments },
  { name: 'flanneld', program: /^flanneld/, argumentsOf: flanneldArguments },
] as const;

function daemonsHere(): Daemon[] {
  const kindOf = (argv: readonly string[]) =>
    kinds.find(({ argumentsOf }) => argumentsOf(argv) !== undefined);
  const daemons = processesHere(argv => kindOf(argv) !== undefined).flatMap(({ pid, argv }) => {
    const kind = kindOf(argv);
    const origin = kind && processOrigin(pid, kind.program);
    const args = kind?.argumentsOf(origin?.argv ?? []);
    if (kind === undefined || origin === undefined || args === undefined) return [];
    if (!isRunnable(args, origin.environment)) return [];
    const asked = askedBy(runFlags, args, origin.environment, origin.folder, false);
    if (asked === undefined || (!origin.isOwn && namesFiles(asked))) return [];
    return [{ name: kind.name, pid, parent: origin.parent, asked }];
  });
  // What a daemon is about to start has its command line for a moment.
  return daemons.filter(({ parent }) => daemons.every(({ pid }) => pid !== parent));
}

/** False for a daemon that has a flag which is not supported here, or not yet. */
function isRunnable(args: readonly string[], environment: Environment): boolean {
  try {
    return readRunOptions(args, environment).action === 'run';
  } catch (error) {
    if (error instanceof WeftError) return false;
    throw error;
  }
}

/** Whoever may change the network may not therefore say which files we open. */
function namesFiles({ values, given }: Asked): boolean {
  return [...ofPaths, 'networks'].some(name => given.has(name)) || values['registry'] !== 'etcd';
}

/** Undefined for what cannot be parsed: a call for help, or a mistake. */
function askedBy(
  table: FlagTable,
  args: readonly string[],
  environment: Environment,
  folder: string,
  interspersed = true,
): Asked | undefined {
  try {
    const parsed = parseFlags(table, args, { interspersed });
    if (parsed.help) return undefined;
    const { values } = applyEnvironment(table, parsed, environment);
    const given = Object.keys(table).filter(name => parsed.given.has(name) || environment[variableOf(name)]);
    return { values: withAbsolutePaths(values, folder), given: new Set(given) };
  } catch (error) {
    if (error instanceof WeftError) return undefined;
    throw error;
  }
}

function withAbsolutePaths(values: Asked['values'], folder: string): Asked['values'] {
  const absolute = (name: string, value: FlagValue): FlagValue => {
    if (typeof value !== 'string' || value === '') return value;
    if (ofPaths.includes(name)) return resolve(folder, value);
    const [, path] = name === 'registry' ? (/^dir:(.+)$/s.exec(value) ?? []) : [];
    return path === undefined ? value : `dir:${resolve(folder, path)}`;
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, absolute(name, value)]));
}

/** Does nothing that is asked for say that it is about another network, or another daemon, than this one? */
function isAbout({ values, given }: Asked, daemon: Asked): boolean {
  return ofIdentity.every(name => !given.has(name) || isSame(values[name], daemon.values[name]));
}

function missing(table: FlagTable, asked: Asked, daemon: Asked): string[] {
  const isOpen = (name: string): boolean => {
    const wish = ofInterface.includes(name) ? ofInterface : [name];
    return wish.every(one => !asked.given.has(one));
  };
  return ofMembership.filter(
    name =>
      Object.hasOwn(table, name) &&
      daemon.given.has(name) &&
      isOpen(name) &&
      !isSame(asked.values[name], daemon.values[name]),
  );
}

function isSame(one: FlagValue | undefined, other: FlagValue | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function argumentsFor(name: string, value: FlagValue | undefined): string[] {
  return [value ?? []].flat().map(text => `-${name}=${text}`);
}
