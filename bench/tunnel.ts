/**
 * How fast is the udp backend? Each rung of its ladder beside the kernel's VXLAN, over two kinds of cable: veths as they
 * are, which pass super-packets, and real frames of 1,500 bytes. Fails when what must hold does not.
 *
 *     npm run bench -- tunnel
 *     FLANNELD=/usr/local/bin/flanneld npm run bench -- tunnel      with the competitor in the same run
 *
 * BENCH_RUNS sets the number of rounds in which all of them take turns; 3 unless given. Absolute figures drift with the
 * machine by tens of per cent, the ratios below the tables by far less.
 */
import { loadavg } from 'node:os';
import process from 'node:process';
import type { Scope } from '../src/base/scope.ts';
import { inSandbox, inScope } from './sandbox.ts';
import { median } from './table.ts';
import { type Contender, createContenders, joinByTunnel, rungs } from './tunnel/contenders.ts';
import { meanRttMs, pacedCpu, serve, smallPackets, tcpGigabits } from './tunnel/measure.ts';
import {
  atLeast,
  type Figures,
  judgeFigures,
  renderFigures,
  renderVerdicts,
  type Verdict,
} from './tunnel/report.ts';

const runs = Number(process.env['BENCH_RUNS'] ?? 3);
const flanneld = process.env['FLANNELD'];
const routeRuns = 2 * runs + 1;

const cables = [
  { name: 'A: veths as they are', realFrames: false, leastOfVxlan: 0.5 },
  { name: 'B: real frames', realFrames: true, leastOfVxlan: 0.85 },
] as const;

await inSandbox(import.meta.filename, async () => {
  const [busy = 0] = loadavg();
  if (busy > 1) say(`The machine is busy: ${busy.toFixed(1)} processes want to run. The figures say little.`);
  const verdicts: Verdict[] = [];
  for (const cable of cables) {
    const figures = await inScope(scope => compare(scope, cable.realFrames));
    const judged = judgeFigures(figures, cable.leastOfVxlan);
    say(renderFigures(`${cable.name}; rounds: ${runs}`, figures));
    say(renderVerdicts(`${cable.name}: the udp backend`, judged));
    verdicts.push(...judged);
  }
  const routes = await inScope(compareRoutes);
  say(renderVerdicts(`A; rounds: ${routeRuns}`, [routes]));
  if ([...verdicts, routes].every(({ holds }) => holds)) return;
  process.stderr.write('bench: not all holds that must\n');
  process.exitCode = 1;
});

async function compare(scope: Scope, realFrames: boolean): Promise<Figures[]> {
  const contenders = await createContenders(scope, realFrames, flanneld);
  for (const contender of contenders) {
    await serve(scope, contender);
    // Not counted: code that has just been loaded is slower than it will be for the rest of its life.
    await tcpGigabits(contender, 1);
  }
  const figures = contenders.map(({ name }) => ({
    name,
    tcp1: [] as number[],
    tcp4: [] as number[],
    packets: [] as number[],
    rttMs: [] as number[],
    cpu: [] as number[],
  }));
  for (let run = 0; run < runs; run++) {
    for (const [index, contender] of contenders.entries()) {
      figures[index]?.rttMs.push(await meanRttMs(contender));
      figures[index]?.tcp1.push(await tcpGigabits(contender, 1));
      figures[index]?.tcp4.push(await tcpGigabits(contender, 4));
      if (isMain(contender)) figures[index]?.packets.push(await smallPackets(contender));
      if (isMain(contender) && contender.pids.length > 0) figures[index]?.cpu.push(await pacedCpu(contender));
    }
  }
  return figures;
}

/** What is compared in everything; the rungs between are there for their throughput. */
function isMain({ name }: Contender): boolean {
  return !rungs.slice(1, -1).some(rung => rung.name === name);
}

/** A route among a thousand is found as fast as one alone. */
async function compareRoutes(scope: Scope): Promise<Verdict> {
  const contenders: Contender[] = [];
  for (const more of [0, 999]) {
    const contender = await joinByTunnel(scope, `${more + 1} routes`, false, undefined, more);
    await serve(scope, contender);
    contenders.push(contender);
  }
  const gigabits: [number[], number[]] = [[], []];
  for (let run = 0; run < routeRuns; run++) {
    for (const [index, contender] of contenders.entries())
      gigabits[index]?.push(await tcpGigabits(contender, 1));
  }
  const [one, thousand] = gigabits.map(median);
  return atLeast('TCP, 1 stream, 1,000 routes: times that with 1 route', (thousand ?? 0) / (one ?? 0), 0.95);
}

function say(text: string): void {
  process.stdout.write(`${text}\n\n`);
}
