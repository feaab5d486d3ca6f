/** What /proc tells of processes that are not ours (proc(5)). */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { capabilities } from './capabilities.ts';

export interface ProcessStatus {
  readonly pid: number;
  /** The command and its arguments; none for a thread of the kernel. */
  readonly argv: readonly string[];
  /** One letter, of which `T` is stopped by a signal, `t` by a debugger, `D` waiting for a disk. */
  readonly state: string;
  /** As seen in its own user namespace. */
  readonly capabilities: ReadonlySet<keyof typeof capabilities>;
}

/** Undefined when there is none, or it has ended and awaits burial. */
export function processStatus(pid: number): ProcessStatus | undefined {
  const status = read(`/proc/${pid}/status`);
  const state = /^State:\s*(\S)/m.exec(status ?? '')?.[1] ?? 'X';
  if (status === undefined || state === 'Z' || state === 'X') return undefined;
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const held = (Object.keys(capabilities) as Array<keyof typeof capabilities>).filter(
    name => ((effective >> BigInt(capabilities[name])) & 1n) === 1n,
  );
  return { pid, argv: argvOf(pid), state, capabilities: new Set(held) };
}

/** The processes in the network namespace of the calling thread whose command line fits. */
export function processesHere(fits: (argv: readonly string[]) => boolean): ProcessStatus[] {
  const here = readLink('/proc/thread-self/ns/net');
  return pids()
    .filter(pid => fits(argvOf(pid)) && readLink(`/proc/${pid}/ns/net`) === here)
    .flatMap(pid => processStatus(pid) ?? []);
}

/** What a process was started with, and from where it sees files. */
export interface ProcessOrigin {
  readonly environment: Readonly<Record<string, string>>;
  /** What its relative paths are relative to. */
  readonly folder: string;
}

/**
 * Undefined when it is not ours to see, when a path means another file to it than to us, or when whoever started it may
 * be somebody who can do less than we.
 * @param program what its program is called, however it calls itself
 */
export function processOrigin(pid: number, program: RegExp): ProcessOrigin | undefined {
  if (!isCredible(pid, program)) return undefined;
  const [root, ours] = [`/proc/${pid}/root/`, '/'].map(path =>
    attempt(() => statSync(path, { bigint: true })),
  );
  if (root === undefined || root.dev !== ours?.dev || root.ino !== ours.ino) return undefined;
  const folder = readLink(`/proc/${pid}/cwd`);
  const environment = read(`/proc/${pid}/environ`);
  if (folder === undefined || environment === undefined) return undefined;
  const variables = environment.split('\0').filter(text => text.includes('='));
  const pairs = variables.map(text => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]);
  return { environment: Object.fromEntries(pairs), folder };
}

/**
 * Anybody can give a process any command line, a set-user-ID program of root's too. Run by our own user, or by one that may
 * change the network anyway, and the program that it seems to be, it was started by somebody who needs no trick.
 */
function isCredible(pid: number, program: RegExp): boolean {
  const path = `/proc/${pid}/exe`;
  const mode = attempt(() => statSync(path).mode);
  if (mode === undefined || (mode & setIdBits) !== 0) return false;
  if (!program.test(basename(readLink(path) ?? ''))) return false;
  const users = /^Uid:\s*(\d+)\s+(\d+)\s/m.exec(read(`/proc/${pid}/status`) ?? '')?.slice(1);
  if (users?.every(user => Number(user) === process.geteuid?.())) return true;
  if (readLink(`/proc/${pid}/ns/user`) !== readLink('/proc/self/ns/user')) return false;
  return processStatus(pid)?.capabilities.has('CAP_NET_ADMIN') ?? false;
}

const setIdBits = 0o6000;

/** The process that has the socket of this inode open; undefined when nobody has, or it cannot be seen from here. */
export function socketHolder(inode: string): number | undefined {
  const target = `socket:[${inode}]`;
  return pids().find(pid =>
    (attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []).some(
      fd => readLink(`/proc/${pid}/fd/${fd}`) === target,
    ),
  );
}

function pids(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number);
}

function argvOf(pid: number): string[] {
  const text = read(`/proc/${pid}/cmdline`) ?? '';
  return text === '' ? [] : text.replace(/\0$/, '').split('\0');
}

function read(path: string): string | undefined {
  return attempt(() => readFileSync(path, 'utf8'));
}

function readLink(path: string): string | undefined {
  return attempt(() => readlinkSync(path));
}

/** Undefined for what has ended meanwhile, or is not ours to see. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
