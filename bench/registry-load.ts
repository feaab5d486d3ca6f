/**
 * What do many hosts cost their registry? Fake hosts, the registry's part of them only, against one real etcd: all start
 * in the same instant, one lease changes, a day goes by, etcd dies and comes back.
 *
 *     npm run bench -- registry-load
 *     HOSTS=200,1000,3000 node bench/registry-load.ts --write      and puts the table into docs/scale.md
 *
 * HOSTS are the numbers of hosts, each with an etcd of its own; 100 and 400 unless given. Each host has a connection of its
 * own, and decodes what it is told as a daemon does: on one machine it is the hosts together that are slow long before
 * etcd is, so times are upper bounds, while requests and bytes are exact, and CPU is etcd's own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../src/base/scope.ts';
import { compact, type EtcdServer, startEtcd } from '../test/support/etcd.ts';
import { leaseText } from '../test/support/weft-cluster.ts';
import { inSandbox } from './sandbox.ts';
import { type Crowd, gather } from './scale/registry-crowd.ts';
import { probeKey } from './scale/registry-messages.ts';
import { between, type EtcdReading, freshEtcd, readEtcd } from './scale/registry-meter.ts';
import { median } from './table.ts';

const sizes = (process.env['HOSTS'] ?? '100,400').split(',').map(Number);
const prefix = '/bench/network';
const config =
  '{"Network":"10.0.0.0/8","SubnetLen":24,"SubnetMin":"10.0.1.0","SubnetMax":"10.255.250.0","Backend":{"Type":"vxlan"}}';
const document = path.join(import.meta.dirname, '../docs/scale.md');
const mark = '<!-- registry-load table -->';

/** Of the day: before any renewal, and after all. */
const [firstHour, lastHour] = [20.5, 23.1];

/** A line of the table for each number of hosts. */
type Cells = Array<readonly [what: string, value: string]>;

await inSandbox(import.meta.filename, bench);

async function bench(): Promise<void> {
  const columns: Cells[] = [];
  for (const hosts of sizes) {
    const cells = await measure(hosts);
    columns.push(cells);
    process.stderr.write(`${hosts} hosts: ${cells.map(cell => cell.join(': ')).join('; ')}\n`);
  }
  const table = render(columns);
  process.stdout.write(`${table}\n`);
  if (process.argv.includes('--write')) splice(table);
}

async function measure(hosts: number): Promise<Cells> {
  const scope = new Scope();
  try {
    const etcd = await startEtcd(scope);
    await etcd.etcdctl(['put', `${prefix}/config`, config]);
    const crowd = gather(scope, hosts, etcd.endpoints[0] ?? '', prefix);
    await crowd.tell({ do: 'report' });
    const cells: Cells = [
      ...(await startTogether(etcd, crowd, hosts)),
      ...(await oneChange(etcd, crowd, hosts)),
      ...(await oneDay(etcd, crowd, hosts)),
      ...(await outage(etcd, crowd, hosts, 'no compaction')),
      ...(await outage(etcd, crowd, hosts, 'compaction')),
    ];
    await crowd.tell({ do: 'end' });
    return cells;
  } finally {
    await scope.close();
  }
}

async function startTogether(etcd: EtcdServer, crowd: Crowd, hosts: number): Promise<Cells> {
  const before = await reading(etcd);
  const fromMs = performance.now();
  await crowd.tell({ do: 'start' });
  await crowd.until('leases', ({ leased }) => leased === hosts);
  const leasedMs = performance.now() - fromMs;
  await crowd.until('all know all', ({ least }) => least === hosts);
  const { failed } = await crowd.tell({ do: 'report' });
  const meshedMs = performance.now() - fromMs;
  await quiet(etcd);
  const done = between(before, await reading(etcd));
  return [
    ['**all start in one instant**', ''],
    ['until each has a lease', seconds(leasedMs)],
    ['until each knows all', seconds(meshedMs)],
    ['attempts made again', String(failed)],
    ['Range, LeaseGrant, Txn, Watch per host', requestsPer(done, hosts)],
    ['sent by etcd, per host', kilobytes(done.sentBytes / hosts)],
    ['CPU of etcd, per host', `${((done.cpuSeconds / hosts) * 1000).toFixed(1)} ms`],
    ['RSS of etcd', megabytes(done.rssBytes)],
    ['database', megabytes(done.databaseBytes)],
  ];
}

async function oneChange(etcd: EtcdServer, crowd: Crowd, hosts: number): Promise<Cells> {
  const latencies: number[] = [];
  const before = await reading(etcd);
  const rounds = 10;
  for (let round = 0; round < rounds; round++) {
    const value = leaseText({ publicIp: '198.51.100.1', mac: `0a:58:00:00:00:0${round}` });
    const fromMs = performance.timeOrigin + performance.now();
    await etcd.etcdctl(['put', `${prefix}/${probeKey}`, value]);
    const heard: number[] = [];
    await crowd.until('the probe is heard', ({ heardMs }) => heard.push(...heardMs) >= hosts);
    for (const atMs of heard) latencies.push(atMs - fromMs);
  }
  await quiet(etcd);
  const done = between(before, await reading(etcd));
  const sorted = latencies.sort((one, other) => one - other);
  return [
    ['**one lease changes**', ''],
    [
      'until half, and the last host, knows it (etcdctl included)',
      `${median(sorted).toFixed(0)}, ${(sorted.at(-1) ?? 0).toFixed(0)} ms`,
    ],
    ['sent by etcd, per host', kilobytes(done.sentBytes / hosts / rounds)],
    ['CPU of etcd, per host', `${((done.cpuSeconds / hosts / rounds) * 1e6).toFixed(0)} us`],
  ];
}

/** A day, in steps of a minute when something happens. */
async function oneDay(etcd: EtcdServer, crowd: Crowd, hosts: number): Promise<Cells> {
  const before = await reading(etcd);
  const { failed: failedBefore } = await crowd.tell({ do: 'report' });
  await crowd.tell({ do: 'shift', milliseconds: firstHour * 3_600_000 });
  for (let minute = firstHour * 60; minute < lastHour * 60; minute++) {
    await crowd.tell({ do: 'shift', milliseconds: 60_000 });
    // Some of them renew, and all hear of it, before the next minute is over.
    await sleep(hosts / 10);
  }
  const { renewed, failed, renewalsMs } = await crowd.until('renewals', report => report.renewed >= hosts);
  await quiet(etcd);
  const done = between(before, await reading(etcd));
  const perMinute = new Map<number, number>();
  for (const atMs of renewalsMs) {
    const minute = Math.floor(atMs / 60_000);
    perMinute.set(minute, (perMinute.get(minute) ?? 0) + 1);
  }
  return [
    ['**a day**', ''],
    ['renewals, and those put off', `${renewed}, ${failed - failedBefore}`],
    ['most renewals in one minute of it', String(Math.max(...perMinute.values()))],
    ['Range, LeaseGrant, Txn, Watch per host', requestsPer(done, hosts)],
    ['fsyncs per renewal', (done.fsyncs / renewed).toFixed(1)],
    ['sent by etcd, per host', kilobytes(done.sentBytes / hosts)],
    ['CPU of etcd, per renewal', `${((done.cpuSeconds / renewed) * 1000).toFixed(2)} ms`],
  ];
}

/** etcd is killed and started again; what it had to do until all are there again. */
async function outage(
  etcd: EtcdServer,
  crowd: Crowd,
  hosts: number,
  how: 'compaction' | 'no compaction',
): Promise<Cells> {
  const { snapshots: before } = await crowd.tell({ do: 'report' });
  if (how === 'compaction') {
    const text = await etcd.etcdctl(['get', 'x', '-w', 'json']);
    await etcd.etcdctl(['put', '/elsewhere', text]);
    await compact(etcd, BigInt(/"revision":(\d+)/.exec(text)?.[1] ?? 0) + 1n);
  }
  etcd.kill('SIGKILL');
  await etcd.stop();
  await crowd.until('all have noticed', ({ connected }) => connected === 0);
  await etcd.start();
  const fromMs = performance.now();
  const { snapshots } = await crowd.until('all are there again', ({ connected }) => connected === hosts);
  const backMs = performance.now() - fromMs;
  await quiet(etcd);
  const done = between(freshEtcd, await reading(etcd));
  return [
    [`**etcd dies and comes back, ${how} meanwhile**`, ''],
    ['until all are connected again', seconds(backMs)],
    ['hosts that read everything again', String(snapshots - before)],
    ['Range, LeaseGrant, Txn, Watch per host', requestsPer(done, hosts)],
    ['sent by etcd, per host', kilobytes(done.sentBytes / hosts)],
    ['CPU of etcd, per host', `${((done.cpuSeconds / hosts) * 1000).toFixed(1)} ms`],
  ];
}

/** Waits until etcd has sent what it had to send. */
async function quiet(etcd: EtcdServer): Promise<void> {
  for (let before = -1, now = 0; now !== before; ) {
    before = now;
    await sleep(300);
    now = (await reading(etcd)).sentBytes;
  }
}

function reading(etcd: EtcdServer): Promise<EtcdReading> {
  return readEtcd(etcd.endpoints[0] ?? '');
}

function requestsPer({ requests }: EtcdReading, hosts: number): string {
  return ['Range', 'LeaseGrant', 'Txn', 'Watch']
    .map(name => ((requests.get(name) ?? 0) / hosts).toFixed(1))
    .join(', ');
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** As Markdown. */
function render(columns: readonly Cells[]): string {
  const names = columns[0]?.map(([what]) => what) ?? [];
  return [
    `| hosts | ${sizes.map(size => size.toLocaleString('en')).join(' | ')} |`,
    `|---|${'---:|'.repeat(sizes.length)}`,
    ...names.map((what, line) => `| ${what} | ${columns.map(cells => cells[line]?.[1] ?? '').join(' | ')} |`),
  ].join('\n');
}

/** Puts the table between the two marks of the document. */
function splice(table: string): void {
  const parts = readFileSync(document, 'utf8').split(mark);
  if (parts.length !== 3)
    throw new Error(`${document}: expected ${mark} twice, found it ${parts.length - 1} times`);
  writeFileSync(document, [parts[0], `\n${table}\n`, parts[2]].join(mark));
}
