/**
 * The flags of the daemon that runs here, for whoever looks at its network and does not give them: by other flags than the
 * daemon's it would be another network, or this one judged wrongly.
 */
import { resolve } from 'node:path';
import process from 'node:process';
import { WeftError } from '../base/errors.ts';
import { flanneldArguments, weftRunArguments } from '../control/daemon-command-line.ts';
import { processesHere, processOrigin } from '../sys/process-status.ts';
import { applyEnvironment, type Environment, variableOf } from './flag-environment.ts';
import type { FlagValue } from './flag-value.ts';
import { type FlagTable, parseFlags } from './go-flags.ts';
import { registryFlags } from './registry-flags.ts';
import { reportNote } from './report.ts';
import { runFlags } from './run-flags.ts';

/** What says which network, and which daemon of a host it is. */
const ofIdentity = [...Object.keys(registryFlags), 'subnet-file', 'networks', 'subnet-dir'];

/** What says how this host is in the network; the rest is about the daemon as a process. */
const ofMembership = [
  ...ofIdentity,
  ...['networks-allow', 'iface', 'iface-regex', 'iface-can-reach', 'public-ip', 'public-ipv6'],
  ...['ip-masq', 'ip-masq-fully-random-disable', 'ip-masq-exclude', 'iptables-forward-rules'],
  ...['route-next-hops', 'vtep-filter', 'subnet-lease-renew-margin', 'peer-probing', 'peer-port'],
] as const;

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
  const daemons = daemonsHere().filter(({ asked: theirs }) => isAbout(asked, theirs));
  const [daemon] = daemons;
  if (daemon === undefined || daemons.length > 1) return args;
  const names = missing(table, asked, daemon.asked);
  if (names.length === 0) return args;
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
  return kinds.flatMap(({ name, program, argumentsOf }) =>
    processesHere(argv => argumentsOf(argv) !== undefined).flatMap(({ pid, argv }) => {
      const origin = processOrigin(pid, program);
      const args = argumentsOf(argv);
      if (origin === undefined || args === undefined) return [];
      const asked = askedBy(runFlags, args, origin.environment, origin.folder, false);
      return asked === undefined || asked.values['kube-subnet-mgr'] === true ? [] : [{ name, pid, asked }];
    }),
  );
}

/** Undefined for what cannot be parsed: a call for help, a mistake, or a daemon of another version. */
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
  return ofMembership.filter(
    name =>
      Object.hasOwn(table, name) &&
      daemon.given.has(name) &&
      !asked.given.has(name) &&
      !isSame(asked.values[name], daemon.values[name]),
  );
}

function isSame(one: FlagValue | undefined, other: FlagValue | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function argumentsFor(name: string, value: FlagValue | undefined): string[] {
  return [value ?? []].flat().map(text => `-${name}=${text}`);
}
