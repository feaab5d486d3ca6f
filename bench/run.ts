/**
 * `npm run bench [-- NAME...]`: runs bench/NAME.ts, or all but the longest, one after the other. Each answers one question
 * with one table, and leaves nothing behind.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/** What is no question: this file, and what the others share. */
const shared = ['many-leases', 'run', 'sandbox', 'table'];

const names = globSync('*.ts', { cwd: import.meta.dirname })
  .map(file => path.basename(file, '.ts'))
  .filter(name => !shared.includes(name))
  .sort();

/** Take minutes, so only when they are asked for by name. */
const byNameOnly = ['soak', 'tunnel', 'throughput'];

const asked = process.argv.slice(2);
const unknown = asked.filter(name => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`bench: no such bench: ${unknown.join(', ')}; there is ${names.join(', ')}\n`);
  process.exitCode = 2;
} else {
  const usual = names.filter(name => !byNameOnly.includes(name));
  for (const name of asked.length > 0 ? asked : usual) {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, `${name}.ts`)], {
      stdio: 'inherit',
    });
    // What ends this ends the bench, and with it all that runs in its sandbox.
    const end = (): void => void child.kill('SIGKILL');
    process.once('SIGTERM', end).once('SIGINT', end);
    const [status] = (await once(child, 'exit')) as [number | null];
    process.off('SIGTERM', end).off('SIGINT', end);
    if (child.signalCode !== null) break;
    if (status !== 0) process.exitCode = 1;
  }
}
