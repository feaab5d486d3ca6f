/** What /proc tells of processes that are not ours (proc(5)). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
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

function argvOf(pid: number): readonly string[] {
  return attempt(() => zeroEnded(`/proc/${pid}/cmdline`)) ?? [];
}

/** The words of a file of /proc that ends each with a zero byte; one of them may be empty. */
export function zeroEnded(path: string): string[] {
  const text = readFileSync(path, 'utf8');
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
