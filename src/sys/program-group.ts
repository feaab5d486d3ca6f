/** Programs of others, which are given an end: each runs in a process group of its own, which is killed as a whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import type { Readable } from 'node:stream';
import { WeftError } from '../base/errors.ts';
import { type Argv, complete, type Exit, missing } from './exec.ts';

export interface GroupOptions {
  readonly signal: AbortSignal;
  /** What the program reads. */
  readonly input: string;
  readonly env: NodeJS.ProcessEnv;
  /** After which the group is ended: by SIGTERM, and by SIGKILL once its program has ended, after two seconds at the latest. */
  readonly timeoutMs: number;
  /** Takes each line of stdout and stderr as it comes, without its end; of a very long one the parts. */
  onLine(line: string): void;
}

/**
 * Runs a program to its end and gives what it wrote to stdout and stderr, up to {@link maxOutputCharacters}; between the
 * two the order is that of arrival. What it leaves running in the background stays, and is no longer listened to.
 * @throws WeftError `program-missing`; `program-failed` with its last line, unless its status is 0; `program-timeout`; the
 * signal's reason
 */
export async function runInGroup(argv: Argv, options: GroupOptions): Promise<string> {
  const [program = '', ...args] = argv;
  const { signal, input, env, timeoutMs } = options;
  signal.throwIfAborted();
  if (program === '') throw missing('""', undefined);
  const child = spawn(program, args, { detached: true, env: complete(env), stdio: 'pipe' });
  const ended = endOf(child, program);
  const output = collect(child, options);
  // A program that ends before it has read its input breaks the pipe, which is its good right.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const group = new Ending(child);
  const exit = await within(timeoutMs, signal, group, ended);
  const text = await output;
  if (group.cause === 'signal') throw signal.reason;
  if (group.cause === 'time') throw overdue(program, timeoutMs);
  if (exit.code === 0) return text;
  throw failed(program, exit, text);
}

/** More than this of a program's output is not kept, only handed on line by line. */
export const maxOutputCharacters = 64 * 1024;

const maxLineCharacters = 4096;
const graceMs = 2000;
/** What a program has written before its end is there at once; a child of its own may hold the pipe open for ever. */
const drainMs = 1000;

/** Ends the group when its time is over or the signal aborts. */
async function within(
  timeoutMs: number,
  signal: AbortSignal,
  group: Ending,
  ended: Promise<Exit>,
): Promise<Exit> {
  const timer = setTimeout(() => group.end('time'), timeoutMs);
  const abort = (): void => group.end('signal');
  signal.addEventListener('abort', abort);
  try {
    return await ended;
  } finally {
    group.finish();
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** Puts an end to a program and to all in its group. */
class Ending {
  readonly #child: ChildProcess;
  #kill: NodeJS.Timeout | undefined;
  cause: 'time' | 'signal' | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  end(cause: 'time' | 'signal'): void {
    if (this.cause !== undefined) return;
    this.cause = cause;
    this.#send('SIGTERM');
    this.#kill = setTimeout(() => this.#send('SIGKILL'), graceMs);
  }

  /** The program has ended; others of a group that was to end have had their signal. */
  finish(): void {
    clearTimeout(this.#kill);
    if (this.cause !== undefined) this.#send('SIGKILL');
  }

  #send(signal: NodeJS.Signals): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody is left of the group.
    }
  }
}

function endOf(child: ChildProcess, program: string): Promise<Exit> {
  const { promise, resolve, reject } = Promise.withResolvers<Exit>();
  child.on('exit', (code, signal) => resolve({ code, signal }));
  child.on('error', (error: NodeJS.ErrnoException) => {
    reject(error.code === 'ENOENT' ? missing(program, error) : refused(program, error));
  });
  return promise;
}

/** Resolves with the output when both streams have ended, or soon after the program. */
async function collect(child: ChildProcess, { onLine }: GroupOptions): Promise<string> {
  const streams = [child.stdout, child.stderr].filter(stream => stream !== null);
  let kept = '';
  const read = streams.map(stream =>
    eachLine(stream, onLine, text => {
      if (kept.length < maxOutputCharacters) kept = (kept + text).slice(0, maxOutputCharacters);
    }),
  );
  let drain: NodeJS.Timeout | undefined;
  child.on('exit', () => {
    drain = setTimeout(() => {
      for (const stream of streams) stream.destroy();
    }, drainMs);
  });
  await Promise.all(read);
  clearTimeout(drain);
  return kept;
}

function eachLine(
  stream: Readable,
  onLine: (line: string) => void,
  onText: (text: string) => void,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('error', () => {});
  stream.on('data', (text: string) => {
    onText(text);
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
    while (rest.length > maxLineCharacters) {
      onLine(rest.slice(0, maxLineCharacters));
      rest = rest.slice(maxLineCharacters);
    }
  });
  stream.on('close', () => {
    if (rest !== '') onLine(rest);
    resolve();
  });
  return promise;
}

function refused(program: string, cause: NodeJS.ErrnoException): WeftError {
  return new WeftError('program-failed', `the program ${program} cannot be started: ${cause.message}`, {
    cause,
    remedy: `make ${program} executable for the user that runs weft, and name an interpreter in its first line`,
  });
}

function overdue(program: string, timeoutMs: number): WeftError {
  return new WeftError(
    'program-timeout',
    `${program} did not end within ${timeoutMs / 1000} s, and was ended`,
  );
}

function failed(program: string, { code, signal }: Exit, output: string): WeftError {
  const outcome = code === null ? `was ended by ${signal}` : `ended with status ${code}`;
  const said = output.trimEnd().split('\n').at(-1)?.trim().slice(0, 200) ?? '';
  return new WeftError('program-failed', `${program} ${outcome}${said === '' ? '' : `: ${said}`}`);
}
