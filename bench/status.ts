/**
 * How long does `weft status` take, and how much memory: on two healthy hosts, and with 5,000 leases, all of whose peers are
 * programmed and probed? Fails when it is more than allowed.
 *
 *     npm run bench -- status
 *
 * BENCH_PEERS sets another number of leases, BENCH_RUNS that of runs; 5,000 and 7 unless given.
 */
import process from 'node:process';
import type { Scope } from '../src/base/scope.ts';
import { eventually } from '../test/support/eventually.ts';
import { createCluster, joinAll } from '../test/support/weft-cluster.ts';
import type { WeftHost } from '../test/support/weft-host.ts';
import { createUnderlay } from '../test/support/weft-underlay.ts';
import { manyConfig, putManyLeases } from './many-leases.ts';
import { inSandbox } from './sandbox.ts';
import { median, type Row, renderTable } from './table.ts';

const peers = Number(process.env['BENCH_PEERS'] ?? 5000);
const runs = Number(process.env['BENCH_RUNS'] ?? 7);

/** Told by the kernel when the program ends: VmHWM of proc_pid_status(5). */
const tellPeak = `
import { readFileSync } from 'node:fs';
process.on('exit', () => {
  const [, kilobytes] = /^VmHWM:\\s+(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  process.stderr.write('PEAK ' + kilobytes + ' ' + Math.round((userCPUTime + systemCPUTime) / 1000) + '\\n');
});`;
const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tellPeak)}` };

interface Limit {
  readonly milliseconds: number;
  readonly megabytes: number;
}

const ways: ReadonlyArray<readonly string[]> = [['status'], ['status', '-json']];

await inSandbox(import.meta.filename, bench);

async function bench(scope: Scope): Promise<void> {
  const underlay = await createUnderlay(scope);
  const few = await createCluster(scope, underlay);
  const two = await few.addHosts('a', 'b');
  await joinAll(few, two);
  await measureAll('two hosts', two[0], { milliseconds: 300, megabytes: 120 });
  const many = await createCluster(scope, underlay, { config: manyConfig });
  const [host] = await many.addHosts('c');
  await putManyLeases(many, host, peers);
  const weft = await host.join();
  await eventually('all to be programmed', async () => {
    const told = await host.run(['bin/weft', 'status', ...host.flags]).catch(error => error.stdout as string);
    return told.includes(`${peers} peers: ${peers} programmed`);
  });
  const limit = { milliseconds: 1000, megabytes: 120 };
  await measureAll(`${peers} peers`, host, limit);
  await weft.stop();
  await measureAll(`${peers} peers, no daemon`, host, limit);
}

async function measureAll(title: string, host: WeftHost, limit: Limit): Promise<void> {
  const rows: Row[] = [];
  const peaks: string[] = [];
  for (const way of ways) {
    const milliseconds: number[] = [];
    const megabytes: number[] = [];
    const busy: number[] = [];
    for (let count = 0; count < runs; count++) {
      const once = await measure(host, way);
      milliseconds.push(once.milliseconds);
      megabytes.push(once.megabytes);
      busy.push(once.busyMilliseconds);
    }
    rows.push({ name: `weft ${way.join(' ')}`, milliseconds });
    const peak = Math.max(...megabytes);
    peaks.push(`weft ${way.join(' ')}: ${peak.toFixed(0)} MB at most, ${median(busy)} ms of processors`);
    if (median(milliseconds) < limit.milliseconds && peak < limit.megabytes) continue;
    process.stderr.write(`bench: expected less than ${limit.milliseconds} ms and ${limit.megabytes} MB\n`);
    process.exitCode = 1;
  }
  process.stdout.write(`${renderTable(title, rows)}\n${peaks.join('\n')}\n\n`);
}

async function measure(host: WeftHost, way: readonly string[]) {
  const from = performance.now();
  const status = await host.start(['bin/weft', ...way, ...host.flags], { env });
  await status.exited;
  const milliseconds = performance.now() - from;
  const [, kilobytes, busy] = /^PEAK (\d+) (\d+)$/m.exec(status.stderr) ?? [];
  return { milliseconds, megabytes: Number(kilobytes) / 1024, busyMilliseconds: Number(busy) };
}
