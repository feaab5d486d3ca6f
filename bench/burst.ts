/**
 * Five thousand leases change at once: how long until the kernel is as they say, is any of them lost, is any entry touched
 * twice? From when the first was sent to etcd to the kernel's last notice, beside the same burst at a watch that does nothing
 * but note when it arrived, and flanneld.
 *
 *     npm run bench -- burst
 *
 * PEERS is 10,000 unless given, of which half change; ROUNDS is 3. In each round their VTEPs get new MACs, as after a
 * reboot of the peers.
 */
import type { Scope } from '../src/base/scope.ts';
import type { Daemon } from '../test/support/daemon.ts';
import { type PeerFacts, type WeftHost, waitUntilReady } from '../test/support/weft-host.ts';
import { createUnderlay } from '../test/support/weft-underlay.ts';
import { answer, type Row, setting } from './answer.ts';
import { pinnedNode } from './machine.ts';
import { endDaemon, flanneld, startFlanneld, startWeft } from './scale/daemons.ts';
import { wrongEntries } from './scale/overlay-entries.ts';
import { createScaleNetwork, type ScaleNetwork } from './scale/scale-network.ts';
import { timeToProgram } from './scale/time-to-program.ts';
import { listenToVtep, type Touches } from './scale/touches.ts';
import { median, renderTable } from './table.ts';

const peers = setting('PEERS', 10_000);
const rounds = setting('ROUNDS', 3);
const changed = peers / 2;
const limitSeconds = 1;
/** After so long without a notice it is over. */
const quietMs = 500;
const mostPauses = 10;
const what = `${changed} of ${peers} leases change`;
const whatConverged = `${what}: converged`;

interface Burst {
  readonly convergedMs: number;
  /** Entries that are not as the leases say, when all is over. */
  readonly wrong: number;
  /** How often the entry was touched that was touched most. */
  readonly mostTouches: number;
}

await answer(import.meta.filename, async (scope, say) => {
  const underlay = await createUnderlay(scope);
  const network = await createScaleNetwork(scope, underlay, peers);
  const { bursts, watchMs } = await burstsAtWeft(scope, network);
  say(
    renderTable(`${changed} leases of ${peers}, ${rounds} rounds`, [
      { name: 'Weft: to the last notice', milliseconds: bursts.map(({ convergedMs }) => convergedMs) },
      { name: 'a bare watch: to the last event', milliseconds: watchMs },
    ]),
  );
  const rows = judged(bursts, watchMs);
  if (flanneld === undefined) return rows;
  const { convergedMs } = await burstAtFlanneld(scope, network);
  const beside = { name: 'flanneld', value: convergedMs / 1000 };
  return [...rows, { what: whatConverged, found: convergedSeconds(bursts), unit: 's', beside }];
});

async function burstsAtWeft(
  scope: Scope,
  network: ScaleNetwork,
): Promise<{ readonly bursts: readonly Burst[]; readonly watchMs: readonly number[] }> {
  const { cluster } = network;
  const [host] = await cluster.addHosts('host');
  const weft = await startWeft(host);
  await waitUntilReady(weft);
  const watch = await host.start([
    ...[pinnedNode(), 'bench/scale/bare-watch.ts', cluster.underlay.etcd.url, cluster.prefix],
  ]);
  await watch.waitForOutput(/^watching$/m);
  const touches = await listenToVtep(scope, host);
  const bursts: Burst[] = [];
  const watchMs: number[] = [];
  for (let generation = 1; generation <= rounds; generation++) {
    const startMs = await network.write(0, changed, generation);
    bursts.push(await outcome(host, network, touches, generation, startMs));
    watchMs.push(lastEventMs(watch) - startMs);
  }
  await endDaemon(weft);
  await watch.kill();
  await network.forgetHosts();
  return { bursts, watchMs };
}

/** One more burst, in the network as Weft's have left it. */
async function burstAtFlanneld(scope: Scope, network: ScaleNetwork): Promise<Burst> {
  const [host] = await network.cluster.addHosts('other');
  await timeToProgram(host, factsOf(network, rounds), () => startFlanneld(host));
  const touches = await listenToVtep(scope, host);
  const startMs = await network.write(0, changed, rounds + 1);
  return await outcome(host, network, touches, rounds + 1, startMs);
}

/** What is not as leased after a pause may only be late on a busy machine, and is given more of them. */
async function outcome(
  host: WeftHost,
  network: ScaleNetwork,
  touches: Touches,
  generation: number,
  startMs: number,
): Promise<Burst> {
  const facts = factsOf(network, generation);
  let wrong = Number.POSITIVE_INFINITY;
  for (let pauses = 0; wrong > 0 && pauses < mostPauses; pauses++) {
    await touches.quiet(quietMs);
    wrong = await wrongEntries(host, facts);
  }
  const mostTouches = Math.max(0, ...touches.counts.values());
  touches.forget();
  return { convergedMs: touches.lastMs - startMs, wrong, mostTouches };
}

/** With the changed ones of this generation. */
function factsOf(network: ScaleNetwork, generation: number): PeerFacts[] {
  return network.facts(number => (number < changed ? generation : 0));
}

/** The time of the last line. */
function lastEventMs({ output }: Daemon): number {
  return Number(/ ([\d.]+)\n$/.exec(output)?.[1]);
}

function convergedSeconds(bursts: readonly Burst[]): number {
  return median(bursts.map(({ convergedMs }) => convergedMs)) / 1000;
}

function judged(bursts: readonly Burst[], watchMs: readonly number[]): Row[] {
  return [
    {
      what: whatConverged,
      found: convergedSeconds(bursts),
      unit: 's',
      beside: { name: 'a bare etcd watch', value: median(watchMs) / 1000 },
      wanted: { atMost: limitSeconds },
    },
    {
      what: `${what}: entries not as leased`,
      found: Math.max(...bursts.map(({ wrong }) => wrong)),
      unit: '',
      wanted: { atMost: 0 },
    },
    {
      what: `${what}: most writes to one entry`,
      found: Math.max(...bursts.map(({ mostTouches }) => mostTouches)),
      unit: '',
      wanted: { atMost: 1 },
    },
  ];
}
