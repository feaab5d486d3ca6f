/**
 * How long from a new host's lease being put into etcd to the route in the kernel, in a small network and in a large one?
 * Beside a watch that does nothing but note when the same put arrived, and flanneld.
 *
 *     npm run bench -- event-latency
 *
 * PEERS is the larger network, 10,000 unless given; ROUNDS is how often a hundred leases are put into each, in turns, 3 unless
 * given. The route is seen by a monitor of the kernel's notices; all times are by one clock.
 */
import type { Scope } from '../src/base/scope.ts';
import type { Daemon } from '../test/support/daemon.ts';
import { type WeftHost, waitUntilReady } from '../test/support/weft-host.ts';
import { createUnderlay, type Underlay } from '../test/support/weft-underlay.ts';
import { answer, type Row, type Say, setting } from './answer.ts';
import { pinnedNode } from './machine.ts';
import { flanneld, startFlanneld, startWeft } from './scale/daemons.ts';
import { createScaleNetwork, type ScaleNetwork } from './scale/scale-network.ts';
import { timeToProgram } from './scale/time-to-program.ts';
import { listenToVtep, type Touches } from './scale/touches.ts';
import { percentile, renderColumns } from './table.ts';

const sizes = [10, setting('PEERS', 10_000)] as const;
const rounds = setting('ROUNDS', 3);
const putsPerRound = 100;
/** Between a put and its deletion, and the deletion and the next put. */
const pauseMs = 15;
/** The first of a program's life run code that is not compiled yet, and are not counted. */
const warmUp = 20;

await answer(import.meta.filename, async (scope, say) => {
  const underlay = await createUnderlay(scope);
  const [small, large] = [await join(scope, underlay, sizes[0]), await join(scope, underlay, sizes[1])];
  const contenders = [small, large];
  for (const { network } of contenders) await putInTurn(network, warmUp);
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) await measure(contender, putsPerRound);
  }
  if (flanneld !== undefined) for (const contender of contenders) await measureFlanneld(scope, contender);
  tell(contenders, say);
  return [...rowsFor(small), ...rowsFor(large, small)];
});

interface Contender {
  readonly network: ScaleNetwork;
  readonly host: WeftHost;
  readonly weft: Daemon;
  readonly watch: Daemon;
  readonly touches: Touches;
  readonly latencies: Latencies;
}

/** From the put, in milliseconds: Weft's route, the event at the bare watch, flanneld's route. */
interface Latencies {
  readonly weft: number[];
  readonly watch: number[];
  readonly flanneld: number[];
}

async function join(scope: Scope, underlay: Underlay, peers: number): Promise<Contender> {
  const network = await createScaleNetwork(scope, underlay, peers);
  const [host] = await network.cluster.addHosts(`host-${peers}`);
  const weft = await startWeft(host);
  await waitUntilReady(weft);
  const watch = await host.start([
    ...[pinnedNode(), 'bench/scale/bare-watch.ts', underlay.etcd.url, network.cluster.prefix],
  ]);
  await watch.waitForOutput(/^watching$/m);
  const touches = await listenToVtep(scope, host);
  return { network, host, weft, watch, touches, latencies: { weft: [], watch: [], flanneld: [] } };
}

async function measure({ network, watch, touches, latencies }: Contender, count: number): Promise<void> {
  touches.forget();
  const sentMs = await putInTurn(network, count);
  await touches.quiet(100);
  const seenMs = timesOf(watch.output);
  for (const [subnet, fromMs] of sentMs) {
    latencies.weft.push(known(touches.firstMs, `route ${subnet}`) - fromMs);
    latencies.watch.push(known(seenMs, subnet) - fromMs);
  }
}

/** Weft makes room for it: the same network, the same puts, another host. */
async function measureFlanneld(scope: Scope, { network, weft, watch, latencies }: Contender): Promise<void> {
  await weft.kill();
  await watch.kill();
  await network.forgetHosts();
  const [host] = await network.cluster.addHosts(`other-${network.peers}`);
  await timeToProgram(host, network.facts(), () => startFlanneld(host));
  const touches = await listenToVtep(scope, host);
  await putInTurn(network, warmUp);
  await touches.quiet(100);
  touches.forget();
  const sentMs = await putInTurn(network, putsPerRound);
  await touches.quiet(100);
  for (const [subnet, fromMs] of sentMs)
    latencies.flanneld.push(known(touches.firstMs, `route ${subnet}`) - fromMs);
}

/** When each put was sent, by subnet. */
async function putInTurn(network: ScaleNetwork, count: number): Promise<ReadonlyMap<string, number>> {
  const sentMs = timesOf(await network.besideEtcd('put-in-turn.ts', network.peers, count, pauseMs));
  if (sentMs.size !== count) throw new Error(`expected ${count} puts, found ${sentMs.size}`);
  return sentMs;
}

/** Lines of a subnet and a time; the last counts where a subnet comes again. */
function timesOf(output: string): ReadonlyMap<string, number> {
  const lines = [...output.matchAll(/^(\S+) ([\d.]+)$/gm)];
  return new Map(lines.map(([, subnet = '', ms]) => [subnet, Number(ms)]));
}

/** @throws Error for what never came */
function known(times: ReadonlyMap<string, number>, what: string): number {
  const ms = times.get(what);
  if (ms === undefined) throw new Error(`expected ${what}, found nothing of it`);
  return ms;
}

function rowsFor({ network: { peers }, latencies }: Contender, small?: Contender): Row[] {
  const shares = [0.5, 0.99] as const;
  return shares.flatMap(share => {
    const of = (values: readonly number[]): number => percentile(values, share);
    const what = `lease put to route, p${100 * share}, ${peers} peers`;
    const figure = { what, found: of(latencies.weft), unit: 'ms' } as const;
    const isJudged = small !== undefined && share === 0.5;
    const rows: Row[] = [
      {
        ...figure,
        beside: { name: 'a bare etcd watch', value: of(latencies.watch) },
        ...(isJudged ? { wanted: { moreAtMost: 1 } } : {}),
      },
    ];
    if (isJudged) {
      const beside = { name: `${small.network.peers} peers`, value: of(small.latencies.weft) };
      rows.push({ ...figure, beside, wanted: { timesAtMost: 1.2 } });
    }
    if (latencies.flanneld.length > 0) {
      rows.push({ ...figure, beside: { name: 'flanneld', value: of(latencies.flanneld) } });
    }
    return rows;
  });
}

function tell(contenders: readonly Contender[], say: Say): void {
  const lines = contenders.flatMap(({ network, latencies }) =>
    Object.entries(latencies)
      .filter(([, values]) => values.length > 0)
      .map(([name, values]: [string, readonly number[]]) => [
        `${name}, ${network.peers} peers`,
        ...[0, 0.5, 0.9, 0.99, 1].map(share => percentile(values, share).toFixed(2)),
      ]),
  );
  say(`${renderColumns([['from the put, ms', 'least', 'p50', 'p90', 'p99', 'most'], ...lines])}\n`);
}
