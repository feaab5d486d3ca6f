/** The program itself, as a user calls it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import type { Scope } from '../../src/base/scope.ts';

export const packageRoot = path.join(import.meta.dirname, '../..');
export const launcher = path.join(packageRoot, 'bin/weft');

export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  /** The whole environment beside PATH; the caller's own variables stay out. */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
  /** What to put before the program, to run it in a namespace. */
  readonly enter?: readonly string[];
  /** Another way to the launcher. */
  readonly program?: string;
}

/** Runs `weft` to its end. */
export async function weft(args: readonly string[], options: CallOptions = {}): Promise<Said> {
  const { env = {}, input = '', cwd, enter = [], program = launcher } = options;
  const [command = '', ...rest] = [...enter, program, ...args];
  const child = spawn(command, rest, { cwd, env: { PATH: process.env['PATH'], ...env } });
  child.stdin.on('error', () => {}).end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  return { code, stdout, stderr };
}

/** An empty directory that goes with the scope. */
export async function temporaryFolder(scope: Scope): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'weft-cli-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  return folder;
}
