/** A bench that makes hosts runs in the tests' sandbox: its namespaces and processes end with it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { Scope } from '../src/base/scope.ts';
import { sandboxed } from '../test/support/sandbox.ts';

/**
 * Runs `bench` inside the sandbox, with a scope that is closed after it: outside, starts `file` again in one, and
 * passes its exit code on.
 */
export async function inSandbox(file: string, bench: (scope: Scope) => Promise<void>): Promise<void> {
  if (process.env['WEFT_TEST_SANDBOX'] !== undefined) return await withScope(bench);
  const [program = '', ...args] = sandboxed([process.execPath, file, ...process.argv.slice(2)]);
  const env = { ...process.env, WEFT_TEST_SANDBOX: '1' };
  const child = spawn(program, args, { stdio: 'inherit', env });
  const [status] = (await once(child, 'exit')) as [number | null];
  process.exitCode = status ?? 1;
}

async function withScope(bench: (scope: Scope) => Promise<void>): Promise<void> {
  const scope = new Scope();
  try {
    await bench(scope);
  } finally {
    await scope.close();
  }
}

/** Does something in a scope of its own, which ends with it. */
export async function inScope<T>(act: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  try {
    return await act(scope);
  } finally {
    await scope.close();
  }
}
