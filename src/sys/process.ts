/** Other processes, as /proc tells of them (proc(5)). */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that cannot be taken for another one which gets its number later. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in clock ticks since boot (/proc/PID/stat, field 22). */
  readonly startTicks: number;
}

/** The process that has this pid now; undefined when there is none, or it has ended and awaits burial. */
export function identify(pid: number): ProcessIdentity | undefined {
  // The command's name, in brackets, may hold anything; the fields after it are numbers and the state.
  const fields = read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');
  if (fields === undefined || fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return { pid, startTicks: Number(fields[19]) };
}

export function isRunning({ pid, startTicks }: ProcessIdentity): boolean {
  return identify(pid)?.startTicks === startTicks;
}

/** Sends a signal; nothing happens when the process is gone, even if its pid is another's by now. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** SIGTERM, and SIGKILL when it still runs after `graceMs`; returns when it is gone. */
export async function endProcess(identity: ProcessIdentity, graceMs: number): Promise<void> {
  signalProcess(identity, 'SIGTERM');
  const deadline = performance.now() + graceMs;
  while (isRunning(identity)) {
    if (performance.now() >= deadline) signalProcess(identity, 'SIGKILL');
    await sleep(5);
  }
}

/** The processes whose network namespace is the one at `path`. */
export function processesInNetns(path: string): number[] {
  const link = `net:[${statSync(path).ino}]`;
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && readLink(`/proc/${name}/ns/net`) === link)
    .map(Number);
}

/** The command line, for people; '' when there is none (any more). */
export function commandLine(pid: number): string {
  return (read(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim();
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
