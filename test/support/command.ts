/**
 * Programs that run to their end: `run('ip -br link')` gives what was printed, or throws with the exit status and
 * the program's own complaint.
 */
import { execFile } from 'node:child_process';
import process from 'node:process';

/** A program and its arguments; a string is split at spaces (there is no quoting: use the list for that). */
export type Command = string | readonly string[];

export interface RunOptions {
  /** What the program reads; its input is empty otherwise. */
  readonly input?: string | Uint8Array;
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** After which the program is killed; a minute unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A program that ended with another status than 0, could not be started, or was killed. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError';
  /** Undefined when there was no status: killed, or never started. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;

  constructor(argv: readonly string[], outcome: string, exitCode: number | undefined, output: Output) {
    const said = [output.stderr.trim(), output.stdout.trim()].filter(text => text !== '').join('\n');
    super(`${argv.join(' ')}: ${outcome}${said === '' ? '' : `\n${said}`}`);
    this.exitCode = exitCode;
    this.stdout = output.stdout;
    this.stderr = output.stderr;
  }
}

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program and gives its standard output.
 * @throws CommandError unless it ends with status 0 in time
 */
export function run(command: Command, options: RunOptions = {}): Promise<string> {
  const [program = '', ...args] = argvOf(command);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const settings = {
    encoding: 'utf8' as const,
    env: ownedEnv(options.env),
    killSignal: 'SIGKILL' as const,
    maxBuffer: 64 * 1024 * 1024,
    timeout: options.timeoutMs ?? 60_000,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const child = execFile(program, args, settings, (error, stdout, stderr) => {
    if (error === null) return resolve(stdout);
    const exitCode = typeof error.code === 'number' ? error.code : undefined;
    const outcome = exitCode === undefined ? (error.signal ?? error.message) : `exit status ${exitCode}`;
    reject(new CommandError([program, ...args], outcome, exitCode, { stdout, stderr }));
  });
  // A program that ends without having read its input breaks the pipe, which is its good right.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input);
  return promise;
}

export function argvOf(command: Command): readonly string[] {
  return typeof command === 'string' ? command.split(' ').filter(word => word !== '') : command;
}

/** Marks every program that this test process starts, and what they start in turn: see leaks.ts. */
export const ownerMark = `WEFT_TEST_OWNER=${process.pid}`;

/** This process's environment, the owner's mark and `more`. */
export function ownedEnv(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...process.env, WEFT_TEST_OWNER: String(process.pid), ...more };
}
