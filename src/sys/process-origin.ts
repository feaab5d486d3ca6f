/** What a process was told when it was started (proc(5)), as far as whoever told it can be believed. */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { capabilities } from './capabilities.ts';
import { zeroEnded } from './process-status.ts';

export interface ProcessOrigin {
  readonly pid: number;
  readonly parent: number;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** What its relative paths are relative to. */
  readonly folder: string;
  /** Is it our own user's? Else it is that of a user who may change the network, as by a unit, and who can do nothing else that we can. */
  readonly isOwn: boolean;
}

/**
 * Undefined when it is not ours to see, has another root, or may have been started by somebody who can do less than that.
 * @param program what its program is called, however it calls itself
 */
export function processOrigin(pid: number, program: RegExp): ProcessOrigin | undefined {
  try {
    const before = trustIn(pid, program);
    if (before === undefined || !hasOurRoot(pid)) return undefined;
    const argv = zeroEnded(`/proc/${pid}/cmdline`);
    const variables = zeroEnded(`/proc/${pid}/environ`).filter(text => text.includes('='));
    const folder = readlinkSync(`/proc/${pid}/cwd`);
    // It may have become another program meanwhile, which is more to be trusted than what was just read.
    const after = trustIn(pid, program);
    if (after === undefined || after.isOwn !== before.isOwn) return undefined;
    const pairs = variables.map(text => {
      const cut = text.indexOf('=');
      return [text.slice(0, cut), text.slice(cut + 1)];
    });
    return { pid, argv, environment: Object.fromEntries(pairs), folder, ...after };
  } catch (error) {
    if (typeof (error as NodeJS.ErrnoException).code === 'string') return undefined;
    throw error;
  }
}

/**
 * Anybody can give a process any command line, and a set-user-ID program too. What is run by our own user can be believed, if it
 * is the program that it seems to be; and what has CAP_NET_ADMIN because whoever started it gave it that, and not its file.
 */
function trustIn(pid: number, program: RegExp): Pick<ProcessOrigin, 'isOwn' | 'parent'> | undefined {
  const exe = `/proc/${pid}/exe`;
  if ((statSync(exe).mode & setIdBits) !== 0 || !program.test(basename(readlinkSync(exe)))) return undefined;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const parent = Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]);
  const users = /^Uid:\s*(\d+)\s+(\d+)\s+(\d+)\s/m.exec(status)?.slice(1) ?? [];
  if (users.length > 0 && users.every(user => Number(user) === process.geteuid?.())) {
    return { isOwn: true, parent };
  }
  if (readlinkSync(`/proc/${pid}/ns/user`) !== readlinkSync('/proc/self/ns/user')) return undefined;
  const ambient = BigInt(`0x${/^CapAmb:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  return (ambient >> BigInt(capabilities.CAP_NET_ADMIN)) & 1n ? { isOwn: false, parent } : undefined;
}

const setIdBits = 0o6000;

function hasOurRoot(pid: number): boolean {
  const [its, ours] = [`/proc/${pid}/root/`, '/'].map(path => statSync(path, { bigint: true }));
  return its !== undefined && its.dev === ours?.dev && its.ino === ours.ino;
}
