/**
 * The daemon's control socket, beside the file of its subnet: open for as long as the daemon runs, before there is a lease
 * too, when an operator most wants to know what it waits for.
 *
 *     take the folder's lock ─> is somebody there? ─no─> remove what a killed daemon left ─> listen ─> give the lock back
 *                                      └─yes─> leave it to that daemon, and look again later
 */
import { closeSync, lstatSync, mkdirSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { Bell } from '../base/bell.ts';
import type { Clock } from '../base/clock.ts';
import { describeError, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Door, type DoorOptions, openDoor } from '../control/door.ts';
import { tryLock } from '../sys/flock.ts';
import { FolderWatch } from '../sys/folder-watch.ts';

export interface ControlSocketOptions {
  readonly path: string;
  readonly answers: DoorOptions['answers'];
  readonly log: Log;
  readonly clock: Clock;
}

export interface ControlSocket {
  /** Removes it, too. */
  close(): void;
}

/** The owner's group may ask, because every answer only reads. */
const socketMode = 0o660;
/** Where it could not be opened, how soon that is tried again; and how often is looked whether it is there where nobody tells. */
const retryMs = 2000;
/** For what inotify does not tell, such as another file system over the folder. */
const auditMs = 60_000;
/** Whoever has the folder's lock needs it for milliseconds. */
const lockRetryMs = 10;

/** Opens it in the background. What is in the way is logged, and never the end of a daemon. */
export function openControlSocket(options: ControlSocketOptions): ControlSocket {
  const closing = new AbortController();
  const bell = new Bell();
  const folder = new FolderWatch(path.dirname(options.path), () => bell.ring());
  let door: Door | undefined;
  const keep = async (): Promise<void> => {
    let told = '';
    while (!closing.signal.aborted) {
      const watched = folder.follow();
      try {
        if (!isSocket(options.path)) {
          door?.close();
          door = undefined;
        }
        door ??= await take(options, closing.signal);
        told = '';
      } catch (error) {
        if (!closing.signal.aborted) told = tell(options, error, told);
      }
      if (closing.signal.aborted) door?.close();
      await bell.heard(options.clock, watched && told === '' ? auditMs : retryMs, closing.signal);
    }
    folder.close();
  };
  void keep();
  return {
    close() {
      closing.abort();
      door?.close();
    },
  };
}

/** Is it a socket at which nobody listens, left by a daemon that was killed? */
export async function isStaleSocket(file: string): Promise<boolean> {
  return isSocket(file) && !(await isListenedTo(file));
}

/** @throws WeftError `control-socket-taken`, `door-listen`; a system error */
async function take(
  { path: file, answers, log, clock }: ControlSocketOptions,
  signal: AbortSignal,
): Promise<Door> {
  const folder = path.dirname(file);
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const fd = openSync(folder, 'r');
  try {
    // Two daemons that both find nobody there would each remove the other's.
    while (!tryLock(fd)) await clock.sleep(lockRetryMs, { signal });
    if (isThere(file) && !(await isStaleSocket(file))) throw taken(file);
    const listen = { path: file, mode: socketMode };
    return await openDoor({ listen, answers, admits: from => from === undefined, log });
  } finally {
    closeSync(fd);
  }
}

function taken(file: string): WeftError {
  const what = isSocket(file) ? 'another daemon answers there' : 'it is no socket of ours';
  return new WeftError('control-socket-taken', `${file}: ${what}`, {
    remedy: 'give each daemon a -subnet-file of its own, for its socket is beside that',
  });
}

/** Once for each reason. */
function tell({ path: file, log }: ControlSocketOptions, error: unknown, told: string): string {
  const why = describeError(error);
  if (why === told) return told;
  const remedy =
    error instanceof WeftError && error.remedy !== undefined
      ? error.remedy
      : `let the daemon write to ${path.dirname(file)}, or put -subnet-file where it may`;
  log.warn({ remedy }, `no control socket, without which \`weft status\` knows less: ${why}`);
  return why;
}

function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}

function isSocket(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSocket() === true;
}

/** The kernel takes a connection for whoever listens, however busy that one is. */
function isListenedTo(file: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(file);
    const end = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      end(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}
