/**
 * How long from a damage to its repair? Each kind of damage to the overlay of a real host, measured by a netlink
 * monitor: from the first notice of the damage to the last notice of the repair. Fails when the 99th percentile of all
 * is more than 50 ms.
 *
 *     npm run bench -- repair
 *
 * ROUNDS sets the number of times each kind is done, in an order that BENCH_SEED decides; 10 unless given. No more
 * than ten a second, since what is undone more than twice a second is taken for a fight and repaired more slowly. A
 * kind of several commands includes the time between them; from the underlay's, only what follows its return counts.
 */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../src/base/scope.ts';
import { type KernelEvent, monitor } from '../src/kernel/monitor.ts';
import { createRepairCluster, type RepairCluster, underlayAnew } from '../test/e2e/repair-cluster.ts';
import { seeded, shuffled } from '../test/kernel/repair-damages.ts';
import { answer, type Row, type Say, setting } from './answer.ts';
import { percentile, renderColumns } from './table.ts';

const limitMs = 50;
const runs = setting('ROUNDS', 10);
const seed = Number(process.env['BENCH_SEED'] ?? 1);
const roundMs = 100;
/** After so long without a notice all is told. */
const quietMs = 15;

await answer(import.meta.filename, bench);

async function bench(scope: Scope, say: Say): Promise<Row[]> {
  const cluster = await createRepairCluster(scope);
  const notices = listen(scope, cluster);
  const random = seeded(seed);
  const right = await cluster.show();
  const latencies = new Map<string, number[]>(cluster.kinds.map(kind => [kind, []]));
  const order = Array.from({ length: runs }, () => shuffled(cluster.kinds, random)).flat();
  for (const kind of order) {
    const target = cluster.targets[Math.floor(random() * cluster.targets.length)];
    if (target === undefined) throw new Error('no target');
    const startMs = performance.now();
    notices.forget();
    await cluster.strike(kind, target);
    await cluster.repaired(right);
    await notices.quiet();
    latencies.get(kind)?.push(notices.spanMs(kind === underlayAnew));
    await sleep(Math.max(0, roundMs - (performance.now() - startMs)));
  }
  const all = [...latencies.values()].flat();
  say(`${renderLatencies([...latencies, ['all', all]])}\n`);
  const figure = (share: number) =>
    ({ what: `damage to repair, p${100 * share}`, found: percentile(all, share), unit: 'ms' }) as const;
  return [figure(0.5), { ...figure(0.99), wanted: { atMost: limitMs } }];
}

interface Notices {
  forget(): void;
  quiet(): Promise<void>;
  /** From the first to the last; `sinceUnderlay`: from when the underlay was there again. */
  spanMs(sinceUnderlay: boolean): number;
}

function listen(scope: Scope, { host }: RepairCluster): Notices {
  let firstMs: number | undefined;
  let lastMs = 0;
  let underlayMs: number | undefined;
  const onEvent = (event: KernelEvent): void => {
    const kind = kindOf(event);
    const nowMs = performance.now();
    if (kind === 'underlay') underlayMs = event.type === 'gone' ? undefined : (underlayMs ?? nowMs);
    if (kind !== 'overlay') return;
    firstMs ??= nowMs;
    lastMs = nowMs;
  };
  scope.own('monitor', monitor({ netns: host.netns.path, onEvent }));
  return {
    forget: () => {
      firstMs = undefined;
    },
    quiet: async () => {
      while (performance.now() - lastMs < quietMs) await sleep(1);
    },
    spanMs: sinceUnderlay => lastMs - ((sinceUnderlay ? underlayMs : firstMs) ?? lastMs),
  };
}

/** What the host's own chatter is told apart from: IPv6 autoconfiguration, and neighbours of the underlay. */
function kindOf(event: KernelEvent): 'underlay' | 'overlay' | 'chatter' {
  if (event.type === 'overrun') return 'overlay';
  const { type, value } = event.object;
  if (type === 'link' && value.name === 'eth0') return 'underlay';
  if (type === 'neighbour') return value.dst.startsWith('10.') ? 'overlay' : 'chatter';
  if (type === 'address') return value.local.startsWith('10.') ? 'overlay' : 'chatter';
  if (type === 'route') return /^10\.2\.\d+\.0\/24$/.test(value.dst) ? 'overlay' : 'chatter';
  return type === 'fdb' || (type === 'link' && value.name === 'flannel.1') ? 'overlay' : 'chatter';
}

function renderLatencies(rows: ReadonlyArray<readonly [string, readonly number[]]>): string {
  const lines = rows.map(([kind, values]) => [
    kind,
    ...[0.5, 0.99, 1].map(share => percentile(values, share).toFixed(1)),
    String(values.length),
  ]);
  return renderColumns([['from the damage to its repair', 'p50 ms', 'p99', 'most', 'times'], ...lines]);
}
