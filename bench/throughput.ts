/**
 * How fast is each backend, with IPv4 and with IPv6? TCP between containers on two hosts, beside the bare underlay
 * between the hosts, in one run, over two kinds of underlay: veths as they are, which hand over segments of up to 64 KiB,
 * and veths that carry real frames of 1500 bytes.
 *
 *     npm run bench -- throughput
 *     node bench/throughput.ts --write     and puts the table into docs/backends.md
 *
 * BENCH_RUNS is how often each is measured, in turns, of which the median counts; 3 unless given. Needs iperf3. Absolute
 * figures drift with the machine by tens of per cent: compare those of one run.
 */
import process from 'node:process';
import { Scope } from '../src/base/scope.ts';
import {
  addContainer,
  createNetwork,
  envOf,
  eventuallyMeshed,
  type Family,
  type NetworkKind,
} from '../test/e2e/backends-house.ts';
import type { WeftHost } from '../test/support/weft-host.ts';
import { createUnderlay, type Underlay } from '../test/support/weft-underlay.ts';
import { writeTable } from './document.ts';
import { inSandbox } from './sandbox.ts';
import { median, renderColumns, renderMarkdown } from './table.ts';
import type { Contender } from './tunnel/contenders.ts';
import { meanRttMs, serve, tcpGigabits } from './tunnel/measure.ts';

const rounds = Number(process.env['BENCH_RUNS'] ?? 3);

const backends: ReadonlyArray<readonly [name: string, backend: object]> = [
  ['host-gw', { Type: 'host-gw' }],
  ['vxlan, DirectRouting', { Type: 'vxlan', DirectRouting: true }],
  ['vxlan', { Type: 'vxlan' }],
  ['udp', { Type: 'udp' }],
];

const heads = [
  'backend',
  'family',
  'MTU',
  'Gbit/s, 1 stream',
  '4 streams',
  'real frames, 1 stream',
  '4 streams',
  'RTT ms',
] as const;

/** Words, which begin at the left: backend and family. */
const leftColumns = 2;

/** One row: what lies between two ends, and what was measured, a figure for each round. */
interface Row {
  readonly name: string;
  readonly family: Family;
  readonly mtuBytes: number;
  readonly ends: Contender;
  /** Gbit/s of one stream and of four, over either kind of underlay. */
  readonly gbits: Readonly<Record<Underlaying, Readonly<Record<1 | 4, number[]>>>>;
  readonly rttMs: number[];
}

type Underlaying = 'asIs' | 'realFrames';

await inSandbox(import.meta.filename, async scope => {
  const underlay = await createUnderlay(scope);
  const rows: Row[] = [];
  const hosts: WeftHost[] = [];
  for (const family of [4, 6] as const) {
    for (const [name, backend] of backends) {
      const { row, pair } = await createRow(scope, underlay, name, { backend, families: [family] });
      if (name === backends[0]?.[0]) rows.push(bareRow(pair, family));
      rows.push(row);
      hosts.push(...pair);
    }
  }
  await measureAll(rows, 'asIs');
  for (const host of hosts) await carryRealFrames(underlay, host);
  await measureAll(rows, 'realFrames');
  const lines = cellsOf(rows);
  process.stdout.write(`${renderColumns(lines, leftColumns)}\n`);
  if (process.argv.includes('--write'))
    writeTable('backends.md', '<!-- throughput table -->', renderMarkdown(lines, leftColumns));
});

/** Two hosts of a network, each with a container. */
async function createRow(
  scope: Scope,
  underlay: Underlay,
  name: string,
  kind: NetworkKind,
): Promise<{ readonly row: Row; readonly pair: readonly [WeftHost, WeftHost] }> {
  const network = await createNetwork(scope, underlay, kind);
  const [one, two] = network.hosts;
  await Promise.all([one.join(), two.join()]);
  const [from, to] = [await addContainer(scope, one), await addContainer(scope, two)];
  const [family = 4] = kind.families;
  await eventuallyMeshed([from, to], [family]);
  const ends = { name, pids: [], from: from.netns, to: to.netns, address: to.addresses[family] };
  const mtuBytes = Number((await envOf(one))['MTU']);
  return { row: { name, family, mtuBytes, ends, ...nothingYet() }, pair: [one, two] };
}

function bareRow([one, two]: readonly [WeftHost, WeftHost], family: Family): Row {
  const name = 'the bare underlay';
  const ends = { name, pids: [], from: one.netns, to: two.netns, address: hostAddress(two, family) };
  return { name, family, mtuBytes: 1500, ends, ...nothingYet() };
}

function nothingYet(): Pick<Row, 'gbits' | 'rttMs'> {
  return { gbits: { asIs: { 1: [], 4: [] }, realFrames: { 1: [], 4: [] } }, rttMs: [] };
}

/** All take turns, so that a slow minute is one for all. */
async function measureAll(rows: readonly Row[], underlaying: Underlaying): Promise<void> {
  for (let round = 0; round < rounds; round++) for (const row of rows) await measure(row, underlaying);
}

async function measure({ ends, gbits, rttMs }: Row, underlaying: Underlaying): Promise<void> {
  const scope = new Scope();
  try {
    await serve(scope, ends);
    if (underlaying === 'asIs') rttMs.push(await meanRttMs(ends));
    for (const streams of [1, 4] as const) gbits[underlaying][streams].push(await tcpGigabits(ends, streams));
  } finally {
    await scope.close();
  }
}

/** `192.0.2.11` and `2001:db8::11`, which has the same digits. */
function hostAddress({ address }: WeftHost, family: Family): string {
  return family === 4 ? address : `2001:db8::${address.split('.').at(-1)}`;
}

/** Both ends of a host's cable cut what they send into frames, and the host's own puts together what comes. */
async function carryRealFrames({ bridge }: Underlay, { netns, port }: WeftHost): Promise<void> {
  const offloads = ['tso', 'tx-udp-segmentation', 'tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation'];
  const off = offloads.flatMap(offload => [offload, 'off']);
  await bridge.run(['ethtool', '-K', port, ...off]);
  await netns.run(['ethtool', '-K', 'eth0', ...off, 'gro', 'on']);
}

/** The table's lines, the head first. */
function cellsOf(rows: readonly Row[]): string[][] {
  const lines = rows.map(({ name, mtuBytes, family, gbits: { asIs, realFrames }, rttMs }) => [
    ...[name, `IPv${family}`, `${mtuBytes}`],
    ...[asIs[1], asIs[4], realFrames[1], realFrames[4]].map(values => median(values).toFixed(1)),
    median(rttMs).toFixed(3),
  ]);
  return [[...heads], ...lines];
}
