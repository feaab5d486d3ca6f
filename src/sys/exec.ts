/**
 * Programs: `ip netns`, the traffic rules' loaders, and what the lab starts. An operator's own, which may hang or talk
 * without end, are started by program-group.ts.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { accessSync, closeSync, constants, openSync } from 'node:fs';
import process from 'node:process';
import { WeftError } from '../base/errors.ts';

/** A program and its arguments; no shell is involved. */
export type Argv = readonly string[];

export interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** What the program reads; empty otherwise. */
  readonly input?: string | undefined;
  /** After which it is killed. Default 30 s. */
  readonly timeoutMs?: number | undefined;
  /** Default: this process's own. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** How a program ended: by a status, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * Runs a program to its end and gives what it wrote to stdout.
 * @throws WeftError `program-missing`; `program-failed` with what it said, unless its status is 0; the signal's
 * reason
 */
export function run(argv: Argv, options: RunOptions = {}): Promise<string> {
  const [program = '', ...args] = argv;
  const { signal, input, timeoutMs: timeout = 30_000 } = options;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const settings = { encoding: 'utf8', env: complete(options.env), timeout, maxBuffer, signal } as const;
  const child = execFile(program, args, settings, (error, stdout, stderr) => {
    if (error === null) resolve(stdout);
    else if (signal?.aborted === true) reject(signal.reason);
    else if (error.code === 'ENOENT') reject(missing(program, error));
    else reject(failed(argv, error, stderr.trim() || stdout.trim()));
  });
  // A program that ends before it has read its input breaks the pipe, which is its good right.
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  return promise;
}

export interface DetachedOptions {
  readonly logFile: string;
  /** Default: this process's own. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

export interface Started {
  readonly pid: number;
  readonly exited: Promise<Exit>;
}

/**
 * Starts a program that outlives this one: in a session of its own, so that no Ctrl-C reaches it, with all that it
 * says appended to `logFile`.
 * @throws WeftError `program-missing`
 */
export function startDetached(argv: Argv, { logFile, env }: DetachedOptions): Started {
  const [program = '', ...args] = argv;
  const log = openSync(logFile, 'a');
  try {
    const stdio = ['ignore', log, log] as const;
    const child = spawn(program, args, { detached: true, stdio: [...stdio], env: complete(env) });
    const started = startedOf(child, program);
    child.unref();
    return started;
  } finally {
    closeSync(log);
  }
}

/**
 * Starts a program on this one's own terminal.
 * @param behind a directory in which programs are found that no other on PATH has
 * @throws WeftError `program-missing`
 */
export function startAttached(argv: Argv, behind: string): Started {
  const [program = '', ...args] = argv;
  const { PATH, ...env } = complete();
  return startedOf(
    spawn(program, args, { stdio: 'inherit', env: { ...env, PATH: `${PATH}:${behind}` } }),
    program,
  );
}

/** Where a program is, on PATH or in the directories that a plain user's PATH lacks. */
export function findProgram(name: string): string | undefined {
  const found = searchPath()
    .map(directory => `${directory}/${name}`)
    .find(isExecutable);
  return name.includes('/') && isExecutable(name) ? name : found;
}

const maxBuffer = 64 * 1024 * 1024;

/** spawn(2) fails before the call returns; only its report comes later. */
function startedOf(child: ChildProcess, program: string): Started {
  const { promise: exited, resolve } = Promise.withResolvers<Exit>();
  child.on('exit', (code, signal) => resolve({ code, signal })).on('error', () => {});
  if (child.pid === undefined) throw missing(program, undefined);
  return { pid: child.pid, exited };
}

function searchPath(): string[] {
  return [
    ...(process.env['PATH'] ?? '').split(':').filter(Boolean),
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
  ];
}

/** The environment with the directories on PATH that a plain user's lacks. */
export function complete(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, PATH: searchPath().join(':') };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function missing(program: string, cause: unknown): WeftError {
  return new WeftError('program-missing', `the program ${program} cannot be started: it was not found`, {
    cause,
    remedy: `install ${program}, or put the directory that holds it on PATH`,
  });
}

function failed(argv: Argv, error: { code?: unknown; signal?: unknown }, said: string): WeftError {
  const outcome =
    typeof error.code === 'number' ? `ended with status ${error.code}` : `was ended by ${error.signal}`;
  return new WeftError('program-failed', `${argv.join(' ')} ${outcome}${said === '' ? '' : `: ${said}`}`);
}
