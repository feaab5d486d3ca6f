/**
 * `npm test [-- FILE...]`: installs the Debian packages that are missing, then runs the tests in a sandbox (see
 * support/sandbox.ts) and fails if they leave anything behind in it. Four files at a time, because most wait more than they
 * work. Options of `node --test` may stand among the files: `npm test -- --test-name-pattern=vxlan test/kernel/*.test.ts`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { sweepCgroups } from './support/cgroups.ts';
import { ensurePackages } from './support/packages.ts';
import { sandboxed } from './support/sandbox.ts';

const given = process.argv.slice(2);
const files = given.some(argument => !argument.startsWith('-')) ? [] : globSync('test/**/*.test.ts').sort();

ensurePackages();
await sweepCgroups(process.pid);

const [program = '', ...args] = sandboxed([
  ...[process.execPath, '--test', '--test-concurrency=4', '--test-timeout=300000', ...given, ...files],
]);
// Three hundred processes load the same files. By sudo, root would leave files in a user's clone.
const isOurs = (path: string): boolean => statSync(path).uid === process.geteuid?.();
const env = {
  ...process.env,
  ...{ WEFT_TEST_SANDBOX: '1', WEFT_TEST_RUN: String(process.pid) },
  ...(isOurs('package.json') ? { NODE_COMPILE_CACHE: resolve('node_modules/.cache/weft-tests') } : {}),
};
const sandbox = spawn(program, args, { stdio: 'inherit', env });

// Whatever ends the runner ends the sandbox, at once and whole; SIGKILL does so through the kernel (pdeathsig).
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => sandbox.kill('SIGKILL'));
// npm passes a signal on to the shell that it put between itself and us, and only that dies of it.
const parent = process.ppid;
const orphaned = setInterval(() => process.ppid === parent || sandbox.kill('SIGKILL'), 250);
if (process.env['npm_lifecycle_event'] === undefined) clearInterval(orphaned);

const [status] = (await once(sandbox, 'exit')) as [number | null];
clearInterval(orphaned);
process.exitCode = status ?? 1;
await sweepCgroups(process.pid);
