/**
 * Programs that stay: started somewhere (in a namespace, on a host), watched, signalled, killed, started again.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { argvOf, type Command, ownedEnv } from './command.ts';
import { eventually, type WaitOptions } from './eventually.ts';

export interface DaemonOptions {
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Where a daemon is started. */
export interface Place {
  /** What to put before the program so that it runs there. */
  readonly enter: readonly string[];
  /** True when entering forks (as into a pid namespace must): the daemon is then the child of what was spawned. */
  readonly forks: boolean;
}

/** How a program ended: by a status, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Starts a program and comes back once its process is there; whether it is of use is a matter for `waitFor`. */
export async function startDaemon(
  place: Place,
  command: Command,
  options: DaemonOptions = {},
): Promise<Daemon> {
  const argv = argvOf(command);
  const [program = '', ...args] = [...place.enter, 'setpriv', '--pdeathsig', 'KILL', ...argv];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: ownedEnv(options.env) });
  const log = collect(child);
  const exited = exitOf(child);
  await once(child, 'spawn');
  const pid = place.forks ? await forkedPid(child, argv, log) : (child.pid ?? 0);
  return new Daemon(argv.join(' '), pid, log, exited, () => startDaemon(place, command, options));
}

export class Daemon {
  /** The command line, for messages. */
  readonly name: string;
  /** The program's own pid, as this test process sees it. */
  readonly pid: number;
  readonly exited: Promise<Exit>;
  readonly #log: Log;
  readonly #again: () => Promise<Daemon>;
  #exit: Exit | undefined;

  /** Use {@link startDaemon}. */
  constructor(name: string, pid: number, log: Log, exited: Promise<Exit>, again: () => Promise<Daemon>) {
    this.name = name;
    this.pid = pid;
    this.exited = exited;
    this.#log = log;
    this.#again = again;
    void exited.then(exit => {
      this.#exit = exit;
    });
  }

  get stdout(): string {
    return this.#log.stdout;
  }

  get stderr(): string {
    return this.#log.stderr;
  }

  /** Both, as they came. */
  get output(): string {
    return this.#log.both;
  }

  /** How it ended, or undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /**
   * Resolves with the first answer of `check` that is neither false nor undefined.
   * @throws Error with the end of the daemon's output when it takes too long, or at once when the daemon ends first
   */
  async waitFor<T>(
    what: string,
    check: () => T | Promise<T>,
    options: WaitOptions = {},
  ): Promise<Exclude<T, false | undefined>> {
    const ended = new AbortController();
    void this.exited.then(exit => ended.abort(new Error(`ended by ${exit.signal ?? `status ${exit.code}`}`)));
    const signal = AbortSignal.any([ended.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    try {
      return await eventually(what, check, { ...options, signal });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const tail = this.output.split('\n').slice(-40).join('\n');
      throw new Error(`${this.name}: no ${what}: ${why}\n${tail}`, { cause });
    }
  }

  /** Waits until its output (of either kind) holds `pattern`. */
  async waitForOutput(pattern: RegExp, options: WaitOptions = {}): Promise<RegExpExecArray> {
    return this.waitFor(`output ${pattern}`, () => pattern.exec(this.output) ?? undefined, options);
  }

  /** Sends a signal; nothing happens when it is gone already. */
  signal(signal: NodeJS.Signals): void {
    if (this.#exit !== undefined) return;
    process.kill(this.pid, signal);
    if (signal === 'SIGSTOP') awaitStopped(this.pid);
  }

  /** `kill -9`, and waits for the end. */
  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** SIGTERM, and waits for the end. @throws Error (after `kill -9`) when it does not heed the signal in time */
  async stop(timeoutMs = 10_000): Promise<Exit> {
    this.signal('SIGTERM');
    try {
      return await eventually('end after SIGTERM', () => this.#exit, { timeoutMs });
    } catch (cause) {
      await this.kill();
      throw new Error(`${this.name} had to be killed\n${this.output}`, { cause });
    }
  }

  /** Kills it when it still runs, and starts the same program in the same place. */
  async restart(): Promise<Daemon> {
    await this.kill();
    return this.#again();
  }
}

interface Log {
  stdout: string;
  stderr: string;
  both: string;
}

function collect(child: ChildProcess): Log {
  const log: Log = { stdout: '', stderr: '', both: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      log[stream] += text;
      log.both += text;
    });
  }
  return log;
}

/** Resolves when it has ended and all it said has arrived (as far as its own children let go of the pipes). */
async function exitOf(child: ChildProcess): Promise<Exit> {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { promise: exited, resolve: exit } = Promise.withResolvers<Exit>();
  child.once('close', () => close()).once('exit', (code, signal) => exit({ code, signal }));
  const result = await exited;
  await Promise.race([closed, sleep(1_000, undefined, { ref: false })]);
  return result;
}

async function forkedPid(child: ChildProcess, argv: readonly string[], log: Log): Promise<number> {
  const pid = await eventually(`a process of ${argv.join(' ')}`, () => {
    return child.exitCode !== null || child.signalCode !== null ? 0 : childrenOf(child.pid ?? 0)[0];
  });
  if (pid === 0) throw new Error(`${argv.join(' ')} ended at once: ${log.both}`);
  return pid;
}

/** The pids of a process's children, oldest first. */
export function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children.split(' ').filter(Boolean).map(Number);
}

/** The signal is only a request: until each thread has taken it, the program goes on answering. */
function awaitStopped(pid: number): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  const isStopped = (thread: string): boolean =>
    / [TtZX] /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').replace(/^.*\)/, ''));
  for (let tries = 0; tries < 1000; tries++) {
    try {
      if (readdirSync(`/proc/${pid}/task`).every(isStopped)) return;
    } catch {
      // A thread, or all of them, ended meanwhile.
    }
    Atomics.wait(clock, 0, 0, 1);
  }
}
