/**
 * How long from the start of the process until the kernel leads to every peer, on a host that has never been in the network?
 * Beside iproute2 writing the same objects from a file (the floor: it knows beforehand what to write), and flanneld.
 *
 *     npm run bench -- cold-start
 *     PEERS=10000 NODEOPT='--cpu-prof --cpu-prof-dir=DIR' npm run bench -- cold-start      with a profile of each
 *
 * PEERS is one size instead of the three, FLAGS are more flags for `weft run`; ROUNDS is 3 unless given. flanneld starts
 * once a size, and not at the largest, where it would take many minutes.
 */
import process from 'node:process';
import type { Scope } from '../src/base/scope.ts';
import { waitUntilReady } from '../test/support/weft-host.ts';
import { createUnderlay, type Underlay } from '../test/support/weft-underlay.ts';
import { answer, type Row, type Say, setting } from './answer.ts';
import { inScope } from './sandbox.ts';
import { endDaemon, flanneld, startFlanneld, startWeft } from './scale/daemons.ts';
import { createBatches } from './scale/iproute2.ts';
import { createScaleNetwork, forgetJoin } from './scale/scale-network.ts';
import { timeToProgram } from './scale/time-to-program.ts';
import { median, renderTable } from './table.ts';

const rounds = setting('ROUNDS', 3);
const sizes = process.env['PEERS'] === undefined ? [1000, 10_000, 60_000] : [setting('PEERS', 0)];
const mostForFlanneld = 10_000;

/** Seconds; none is demanded of other sizes. */
const limits: ReadonlyMap<number, number> = new Map([
  [10_000, 1],
  [60_000, 5],
]);

await answer(import.meta.filename, async (scope, say) => {
  const underlay = await createUnderlay(scope);
  const rows: Row[] = [];
  for (const peers of sizes) rows.push(...(await inScope(scope => coldStart(scope, underlay, peers, say))));
  return rows;
});

interface Times {
  readonly weft: number[];
  readonly iproute2: number[];
  readonly flanneld: number[];
}

async function coldStart(scope: Scope, underlay: Underlay, peers: number, say: Say): Promise<Row[]> {
  const network = await createScaleNetwork(scope, underlay, peers);
  const facts = network.facts();
  const batches = await createBatches(scope, facts);
  const [host] = await network.cluster.addHosts('host');
  const times: Times = { weft: [], iproute2: [], flanneld: [] };
  // Not counted: it compiles the program, which every start but the first of a machine finds done.
  for (let round = 0; round <= rounds; round++) {
    await batches.prepare(host);
    const floor = await timeToProgram(host, facts, () => batches.write(host));
    await forgetJoin(host, network);
    const weft = await timeToProgram(host, facts, () => startWeft(host));
    await waitUntilReady(weft.started);
    await (round === 0 ? weft.started.stop() : endDaemon(weft.started));
    await forgetJoin(host, network);
    if (round === 0) continue;
    times.weft.push(weft.milliseconds);
    times.iproute2.push(floor.milliseconds);
  }
  if (flanneld !== undefined && peers <= mostForFlanneld) {
    const { milliseconds } = await timeToProgram(host, facts, () => startFlanneld(host));
    times.flanneld.push(milliseconds);
  }
  say(`${renderTable(`${peers} peers, ${rounds} rounds`, tableRows(times))}\n`);
  return judged(peers, times);
}

function tableRows(times: Times): Array<{ readonly name: string; readonly milliseconds: readonly number[] }> {
  return Object.entries(times)
    .filter(([, milliseconds]) => milliseconds.length > 0)
    .map(([name, milliseconds]) => ({ name, milliseconds }));
}

function judged(peers: number, times: Times): Row[] {
  const what = `cold start, ${peers} peers`;
  const figure = { what, found: median(times.weft) / 1000, unit: 's' } as const;
  const limit = limits.get(peers);
  const isJudged = peers === 10_000;
  return [
    ...(limit === undefined ? [] : [{ ...figure, wanted: { atMost: limit } }]),
    {
      ...figure,
      beside: { name: 'ip and bridge -batch', value: median(times.iproute2) / 1000 },
      ...(isJudged ? { wanted: { timesAtMost: 2 } } : {}),
    },
    ...(times.flanneld.length === 0
      ? []
      : [
          {
            ...figure,
            beside: { name: 'flanneld', value: median(times.flanneld) / 1000 },
            ...(isJudged ? { wanted: { timesAtMost: 0.1 } } : {}),
          },
        ]),
  ];
}
