/**
 * How much memory does the daemon take, at rest and at its most, and how much of it is each peer's? Beside a Node that does
 * nothing (the floor), and flanneld.
 *
 *     npm run bench -- memory
 *
 * REST is for how many seconds it is left alone before it is asked; 15 unless given.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../src/base/scope.ts';
import { waitUntilReady } from '../test/support/weft-host.ts';
import { createUnderlay, type Underlay } from '../test/support/weft-underlay.ts';
import { answer, type Competitor, type Row, setting } from './answer.ts';
import { flanneld, startFlanneld, startNode, startWeft } from './scale/daemons.ts';
import { heapMegabytes, type Memory, memoryOf } from './scale/process-cost.ts';
import { createScaleNetwork } from './scale/scale-network.ts';
import { timeToProgram } from './scale/time-to-program.ts';

const restMs = 1000 * setting('REST', 15);
const [few, many, most] = [1, 10_000, 60_000];

/** Megabytes of RSS at rest. */
const limits: ReadonlyMap<number, number> = new Map([
  [many, 90],
  [most, 200],
]);

interface Kept extends Memory {
  readonly peers: number;
  readonly heapMegabytes: number;
}

await answer(import.meta.filename, async scope => {
  const underlay = await createUnderlay(scope);
  const joined = [];
  for (const peers of [few, many, most]) joined.push(await join(scope, underlay, peers));
  const floor = await bareNode(scope, underlay);
  const competitor = flanneld === undefined ? undefined : await joinFlanneld(scope, underlay);
  await sleep(restMs);
  const kept: Kept[] = [];
  for (const { peers, weft, host } of joined) {
    const memory = memoryOf(weft);
    kept.push({ peers, ...memory, heapMegabytes: await heapMegabytes(weft, host) });
  }
  const beside: Competitor = { name: 'a Node that does nothing', value: memoryOf(floor).rssMegabytes };
  return [
    ...kept.flatMap(memory => rowsOfSize(memory, beside)),
    ...perPeer(kept),
    ...(competitor === undefined ? [] : besideFlanneld(kept, memoryOf(competitor))),
  ];
});

async function join(scope: Scope, underlay: Underlay, peers: number) {
  const network = await createScaleNetwork(scope, underlay, peers);
  const [host] = await network.cluster.addHosts(`host-${peers}`);
  const weft = await startWeft(host);
  await waitUntilReady(weft);
  return { peers, weft, host };
}

async function bareNode(scope: Scope, underlay: Underlay) {
  const network = await createScaleNetwork(scope, underlay, few);
  const [host] = await network.cluster.addHosts('bare');
  return await startNode(host);
}

async function joinFlanneld(scope: Scope, underlay: Underlay) {
  const network = await createScaleNetwork(scope, underlay, many);
  const [host] = await network.cluster.addHosts('other');
  const { started } = await timeToProgram(host, network.facts(), () => startFlanneld(host));
  return started;
}

function rowsOfSize({ peers, rssMegabytes, peakMegabytes, heapMegabytes }: Kept, beside: Competitor): Row[] {
  const what = `memory, ${peers} peer${peers === 1 ? '' : 's'}`;
  const limit = limits.get(peers);
  const wish = limit === undefined ? {} : { wanted: { atMost: limit } };
  return [
    { what: `${what}: RSS at rest`, found: rssMegabytes, unit: 'MB', beside, ...wish },
    { what: `${what}: RSS at its most`, found: peakMegabytes, unit: 'MB' },
    { what: `${what}: heap in use`, found: heapMegabytes, unit: 'MB' },
  ];
}

/** The slope between the smallest and the others. */
function perPeer(kept: readonly Kept[]): Row[] {
  const [least, ...others] = kept;
  if (least === undefined) return [];
  return others.flatMap(({ peers, rssMegabytes, heapMegabytes }): Row[] => {
    const each = (of: number, from: number): number => (1000 * (of - from)) / (peers - least.peers);
    const what = `memory for each of ${peers} peers`;
    return [
      { what: `${what}: RSS`, found: each(rssMegabytes, least.rssMegabytes), unit: 'kB' },
      { what: `${what}: heap`, found: each(heapMegabytes, least.heapMegabytes), unit: 'kB' },
    ];
  });
}

function besideFlanneld(kept: readonly Kept[], { rssMegabytes }: Memory): Row[] {
  const same = kept.find(({ peers }) => peers === many);
  if (same === undefined) return [];
  const beside = { name: 'flanneld', value: rssMegabytes };
  return [{ what: `memory, ${many} peers: RSS at rest`, found: same.rssMegabytes, unit: 'MB', beside }];
}
