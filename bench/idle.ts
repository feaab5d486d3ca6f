/**
 * What does a daemon do when nothing happens? Its processor time and how often it wakes, in a large network in which no lease
 * changes; beside a Node that does nothing, and flanneld, all idle in the same minute. Probing the peers, which is work, is
 * measured by itself.
 *
 *     npm run bench -- idle
 *
 * SECONDS is how long; 60 unless given. PEERS is 10,000.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Daemon } from '../test/support/daemon.ts';
import { waitUntilReady } from '../test/support/weft-host.ts';
import { createUnderlay } from '../test/support/weft-underlay.ts';
import { answer, type Row, setting } from './answer.ts';
import { flanneld, startFlanneld, startNode, startWeft } from './scale/daemons.ts';
import { type Activity, activityOf } from './scale/process-cost.ts';
import { createScaleNetwork } from './scale/scale-network.ts';
import { timeToProgram } from './scale/time-to-program.ts';

const peers = setting('PEERS', 10_000);
const seconds = setting('SECONDS', 60);
/** So much in a minute. */
const limitSeconds = 0.1;
/** What the start has left to do is done by then. */
const settleMs = 10_000;

await answer(import.meta.filename, async scope => {
  const underlay = await createUnderlay(scope);
  const network = await createScaleNetwork(scope, underlay, peers);
  const [host, prober, bare] = await network.cluster.addHosts('host', 'prober', 'bare');
  const weft = await startWeft(host, ['-peer-probing=false']);
  const probing = await startWeft(prober);
  await Promise.all([weft, probing].map(waitUntilReady));
  const daemons: Daemon[] = [weft, probing, await startNode(bare)];
  if (flanneld !== undefined) {
    const same = await createScaleNetwork(scope, underlay, peers);
    const [other] = await same.cluster.addHosts('other');
    const { started } = await timeToProgram(other, same.facts(), () => startFlanneld(other));
    daemons.push(started);
  }
  await sleep(settleMs);
  const before = daemons.map(activityOf);
  await sleep(1000 * seconds);
  const all = daemons.map(activityOf).map((after, index) => since(before[index], after));
  const [own, busy, floor, competitor] = all;
  if (own === undefined || busy === undefined || floor === undefined)
    throw new Error('expected three daemons');
  const figures = [
    ['processor time', 's', ({ cpuMs }: Activity) => cpuMs / 1000],
    ['times that a thread woke', '', ({ wakeups }: Activity) => wakeups],
  ] as const;
  return figures.flatMap(([name, unit, of]): Row[] => {
    const figure = { what: `${seconds} s idle, ${peers} peers: ${name}`, found: of(own), unit };
    const wish = unit === 's' ? { wanted: { atMost: (limitSeconds * seconds) / 60 } } : {};
    const rows: Row[] = [
      { ...figure, beside: { name: 'a Node that does nothing', value: of(floor) }, ...wish },
    ];
    rows.push({ what: `${figure.what}, peers probed`, found: of(busy), unit });
    if (competitor !== undefined)
      rows.push({ ...figure, beside: { name: 'flanneld', value: of(competitor) } });
    return rows;
  });
});

function since(before: Activity | undefined, after: Activity): Activity {
  const { cpuMs = 0, wakeups = 0 } = before ?? {};
  return { cpuMs: after.cpuMs - cpuMs, wakeups: after.wakeups - wakeups };
}
