/** Abstract names of Unix sockets (unix(7)): one owner at a time, no file, gone with the process that held it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { WeftError } from '../base/errors.ts';
import { bind, closeDescriptor, socket } from './libc.ts';

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 1 | 0x80000;
/** sun_path has 108 bytes, one of which is the NUL in front. */
const maxNameBytes = 107;

export interface UnixName {
  /** Gives the name back; more than once does no harm. */
  close(): void;
}

/**
 * Takes the abstract name for this process; undefined when another holds it. The name belongs to the network
 * namespace of the calling thread, whatever is mounted where, and the kernel gives it back when the process ends,
 * `kill -9` included. Nobody can connect to it.
 * @throws WeftError `unix-name-invalid`, `syscall-failed`
 */
export function claimUnixName(name: string): UnixName | undefined {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length > maxNameBytes || bytes.includes(0)) {
    throw new WeftError('unix-name-invalid', `no name of a Unix socket: ${JSON.stringify(name)}`);
  }
  const fd = socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  try {
    bind(fd, Uint8Array.of(AF_UNIX, 0, 0, ...bytes));
  } catch (error) {
    closeDescriptor(fd);
    if ((error as NodeJS.ErrnoException).errno === EADDRINUSE) return undefined;
    throw error;
  }
  let open = true;
  return {
    close() {
      if (open) closeDescriptor(fd);
      open = false;
    },
  };
}

const EADDRINUSE = 98;

/** The abstract names that begin so and are held in this network namespace. */
export function heldUnixNames(start: string): string[] {
  return listed().flatMap(({ name }) => (name.startsWith(start) ? [name] : []));
}

/**
 * The process that holds the name; undefined when nobody does, or when we may not see it: another pid namespace, or
 * another user's process and we are not root.
 */
export function holderOfUnixName(name: string): number | undefined {
  const inode = listed().find(one => one.name === name)?.inode;
  if (inode === undefined) return undefined;
  return readdirSync('/proc')
    .filter(entry => /^\d+$/.test(entry))
    .map(Number)
    .find(pid => holds(pid, `socket:[${inode}]`));
}

/** Lines end in the inode's number and, for what has a name, that; `@` stands for the NUL in front of abstract ones. */
function listed(): Array<{ readonly name: string; readonly inode: string }> {
  const lines = readFileSync('/proc/thread-self/net/unix', 'utf8').split('\n');
  return lines.flatMap(line => {
    const [, inode, name] = /^(?:\S+\s+){6}(\d+) @(.*)$/.exec(line) ?? [];
    return inode === undefined || name === undefined ? [] : [{ inode, name }];
  });
}

function holds(pid: number, target: string): boolean {
  const folder = `/proc/${pid}/fd`;
  return (attempt(() => readdirSync(folder)) ?? []).some(
    fd => attempt(() => readlinkSync(`${folder}/${fd}`)) === target,
  );
}

/** Undefined for what has ended meanwhile, or is not ours to see. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
