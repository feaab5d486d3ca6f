/**
 * `npm run bench`: asks the questions of the table, one after the other, and prints one table of all their rows, each beside
 * its competitor in the same run. `npm run bench -- NAME...` asks bench/NAME.ts alone, which tells more than its rows.
 * Each leaves nothing behind. Fails when something does not hold that must.
 *
 *     FLANNELD=/usr/local/bin/flanneld npm run bench      with flanneld beside Weft
 *     npm run bench -- --write                            and puts the table into docs/performance.md
 *
 * ROUNDS sets how often each thing is done, of which the median counts; each question has a usual number of its own.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { loadavg } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { cellsOf, holds, leftColumns, type Row, rowsOf } from './answer.ts';
import { writeTable } from './document.ts';
import { machineLine } from './machine.ts';
import { renderColumns, renderMarkdown } from './table.ts';

const questions = [
  'cold-start',
  'restart',
  'event-latency',
  'burst',
  'repair',
  'memory',
  'idle',
  'start',
  'command-start',
];

/** What is no question: this file, and what the others share. */
const shared = ['run', 'answer', 'document', 'machine', 'many-leases', 'sandbox', 'table'];

const write = '--write';

const asked = process.argv.slice(2).filter(word => word !== write);
const names = globSync('*.ts', { cwd: import.meta.dirname })
  .map(file => path.basename(file, '.ts'))
  .filter(name => !shared.includes(name))
  .sort();
const unknown = asked.filter(name => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`bench: no such bench: ${unknown.join(', ')}; there is ${names.join(', ')}\n`);
  process.exitCode = 2;
} else if (asked.length > 0) {
  for (const name of asked) if (!(await ask(name, 'inherit')).well) process.exitCode = 1;
} else await askAll();

async function askAll(): Promise<void> {
  const [busy = 0] = loadavg();
  if (busy > 1) {
    const many = busy.toFixed(1);
    process.stderr.write(`The machine is busy: ${many} processes want to run. The figures say little.\n`);
  }
  const rows: Row[] = [];
  for (const name of questions) {
    const startMs = performance.now();
    process.stderr.write(`bench: ${name} `);
    const { output, well } = await ask(name, 'pipe');
    process.stderr.write(`${Math.round((performance.now() - startMs) / 1000)} s\n`);
    const found = rowsOf(output);
    rows.push(...found);
    if (!well) process.exitCode = 1;
    if (found.length === 0) process.stderr.write(`bench: ${name} gave no answer\n`);
  }
  const machine = await machineLine(process.env['FLANNELD']);
  const lines = cellsOf(rows);
  process.stdout.write(`${renderColumns(lines, leftColumns)}\n\n${machine}\n`);
  const failed = rows.filter(row => !holds(row));
  if (failed.length > 0) process.stderr.write(`bench: ${failed.length} of what must hold does not\n`);
  if (!process.argv.includes(write)) return;
  const origin = `${new Date().toISOString().slice(0, 10)}, ${machine}`;
  writeTable('performance.md', '<!-- bench table -->', renderMarkdown(lines, leftColumns), origin);
}

interface Answered {
  readonly output: string;
  /** It ended by itself, and all holds. */
  readonly well: boolean;
}

async function ask(name: string, output: 'inherit' | 'pipe'): Promise<Answered> {
  const file = path.join(import.meta.dirname, `${name}.ts`);
  const args = output === 'pipe' ? [file, '--json'] : [file];
  const child = spawn(process.execPath, args, { stdio: ['inherit', output, 'inherit'] });
  // What ends this ends the bench, and with it all that runs in its sandbox.
  const end = (): void => {
    child.kill('SIGKILL');
    process.exit(130);
  };
  process.once('SIGTERM', end).once('SIGINT', end);
  const said = child.stdout === null ? '' : text(child.stdout);
  const [status] = (await once(child, 'exit')) as [number | null];
  process.off('SIGTERM', end).off('SIGINT', end);
  return { output: await said, well: status === 0 };
}
