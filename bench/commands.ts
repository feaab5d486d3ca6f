/**
 * How long does an operator wait for each command that looks, and how much memory does it take: on two healthy hosts, and
 * with 5,000 leases? Fails when one is slower or larger than wanted.
 *
 *     npm run bench -- commands
 *
 * BENCH_RUNS sets the number of runs, BENCH_PEERS that of leases; 10 and 5,000 unless given. The time is that of the whole
 * process, from entering the host's namespace to its end; what it took of the processor and of memory (VmHWM) is read in runs
 * of their own.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Scope } from '../src/base/scope.ts';
import { eventually } from '../test/support/eventually.ts';
import { createCluster, joinAll } from '../test/support/weft-cluster.ts';
import type { WeftHost } from '../test/support/weft-host.ts';
import { createUnderlay } from '../test/support/weft-underlay.ts';
import { manyConfig, putManyLeases } from './many-leases.ts';
import { inSandbox } from './sandbox.ts';
import { median } from './table.ts';

const runs = Number(process.env['BENCH_RUNS'] ?? 10);
const peers = Number(process.env['BENCH_PEERS'] ?? 5000);

interface Wanted {
  readonly milliseconds: number;
  readonly megabytes?: number;
}

interface Question {
  readonly name: string;
  readonly host: WeftHost;
  readonly words: readonly string[];
  readonly wanted: Wanted;
}

interface Answer {
  readonly name: string;
  /** Why there is nothing to measure. */
  readonly skipped?: string;
  readonly milliseconds: readonly number[];
  /** Of the processor, with the programs that it starts: what it takes on a machine that does nothing else. */
  readonly cpuMilliseconds: number;
  readonly megabytes: number;
  readonly wanted: Wanted;
}

const few: Wanted = { milliseconds: 300 };
const many: Wanted = { milliseconds: 1000, megabytes: 120 };
const endRuns = 3;

await inSandbox(import.meta.filename, bench);

async function bench(scope: Scope): Promise<void> {
  const underlay = await createUnderlay(scope);
  const small = await createCluster(scope, underlay);
  const [a, b] = await small.addHosts('a', 'b');
  await joinAll(small, [a, b]);
  await a.addContainer();
  const { address } = await b.addContainer();
  const registry = a.flags.slice(0, a.flags.indexOf('-iface'));
  const looks = [
    ['--version'],
    ['status', ...a.flags],
    ['plan', ...a.flags],
    ['doctor', ...a.flags],
    ['trace', address, ...registry],
  ];
  const questions = looks.map((words): Question => {
    return { name: `weft ${words[0]}`, host: a, words, wanted: few };
  });
  const answers: Answer[] = [];
  for (const question of questions) answers.push(await measure(scope, question));

  const large = await createCluster(scope, underlay, { config: manyConfig });
  const [c] = await large.addHosts('c');
  await putManyLeases(large, c, peers);
  await c.join();
  await eventually('all to be programmed', async () => (await exitOf(c, ['plan', ...c.flags])) === 0);
  for (const name of ['status', 'plan']) {
    const question = {
      name: `weft ${name}, ${peers} leases`,
      host: c,
      words: [name, ...c.flags],
      wanted: many,
    };
    answers.push(await measure(scope, question));
  }
  process.stdout.write(`${render(answers)}\n`);
  if (!answers.every(holds)) process.exitCode = 1;
}

async function measure(scope: Scope, { name, host, words, wanted }: Question): Promise<Answer> {
  const milliseconds: number[] = [];
  // The first fills the caches, and tells whether there is anything to measure.
  if ((await exitOf(host, words)) === 2) {
    const nothing = { milliseconds, cpuMilliseconds: Number.NaN, megabytes: Number.NaN };
    return { name, wanted, skipped: 'cannot be measured: it ends with exit code 2', ...nothing };
  }
  for (let run = 0; run < runs; run++) {
    const from = performance.now();
    await exitOf(host, words);
    milliseconds.push(performance.now() - from);
  }
  const ends: End[] = [];
  for (let run = 0; run < endRuns; run++) ends.push(await lookAtEnd(scope, host, words));
  return {
    ...{ name, wanted, milliseconds },
    cpuMilliseconds: median(ends.map(end => end.cpuMilliseconds)),
    megabytes: Math.max(...ends.map(end => end.megabytes)),
  };
}

/** What it has to say is not the question: a doctor may find something. */
async function exitOf(host: WeftHost, words: readonly string[], env = {}): Promise<number | null> {
  const { exited } = await host.start(['bin/weft', ...words], { env });
  return (await exited).code;
}

interface End {
  readonly cpuMilliseconds: number;
  readonly megabytes: number;
}

/** Told by the process itself: its parent would count what it was before it became this program. */
async function lookAtEnd(scope: Scope, host: WeftHost, words: readonly string[]): Promise<End> {
  const folder = await mkdtemp(path.join(tmpdir(), 'weft-bench-'));
  scope.defer(folder, () => rm(folder, { recursive: true, force: true }));
  const [hook, file] = [path.join(folder, 'hook.cjs'), path.join(folder, 'end')];
  const told = `['status', 'stat'].map(name => fs.readFileSync('/proc/self/' + name, 'utf8')).join('')`;
  const tell = `fs.writeFileSync(${JSON.stringify(file)}, ${told})`;
  await writeFile(hook, `const fs = require('fs'); process.on('exit', () => ${tell});`);
  await exitOf(host, words, { NODE_OPTIONS: `--require=${hook}` });
  const text = await readFile(file, 'utf8');
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(text) ?? [];
  // Fields 14 to 17 of proc_pid_stat(5), in ticks of 10 ms; the second is in parentheses.
  const ticks = text
    .replace(/^.*\) /s, '')
    .split(' ')
    .slice(11, 15)
    .map(Number);
  return {
    megabytes: Number(kilobytes) / 1024,
    cpuMilliseconds: 10 * ticks.reduce((sum, one) => sum + one, 0),
  };
}

function holds({ skipped, milliseconds, megabytes, wanted }: Answer): boolean {
  if (skipped !== undefined) return true;
  return median(milliseconds) < wanted.milliseconds && !(megabytes >= (wanted.megabytes ?? Infinity));
}

function render(answers: readonly Answer[]): string {
  const cells = answers.map(answer => {
    const { name, skipped, milliseconds, cpuMilliseconds, megabytes, wanted } = answer;
    if (skipped !== undefined) return [`${name}: ${skipped}`];
    const [least, most] = [Math.min(...milliseconds), Math.max(...milliseconds)];
    return [
      name,
      ...[median(milliseconds), least, most].map(value => value.toFixed(0)),
      String(wanted.milliseconds),
      cpuMilliseconds.toFixed(0),
      megabytes.toFixed(0),
      String(wanted.megabytes ?? ''),
      holds(answer) ? 'yes' : 'NO',
    ];
  });
  const title = `${runs} runs each`;
  const lines = [
    [title, 'median ms', 'min', 'max', 'wanted', 'cpu ms', 'peak MB', 'wanted', 'holds'],
    ...cells,
  ];
  const widths =
    lines[0]?.map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0))) ?? [];
  const [head = '', ...rest] = lines.map(line =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  '),
  );
  return [head, '-'.repeat(head.length), ...rest].join('\n');
}
