/**
 * How long from the start of the process to subnet.env, with etcd near and no peers? Fails when the median is
 * more than a second.
 *
 *     npm run bench -- start
 *     FLANNELD=/usr/local/bin/flanneld npm run bench -- start      with the competitor in the same run
 *
 * ROUNDS sets the number of runs, each on a host and in a network of its own; 7 unless given.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Scope } from '../src/base/scope.ts';
import type { Daemon } from '../test/support/daemon.ts';
import { createCluster } from '../test/support/weft-cluster.ts';
import { type WeftHost, waitUntilReady } from '../test/support/weft-host.ts';
import { createUnderlay, type Underlay } from '../test/support/weft-underlay.ts';
import { answer, type Row, type Say, setting } from './answer.ts';
import { pinnedNode } from './machine.ts';
import { flanneld, startFlanneld } from './scale/daemons.ts';
import { median, renderTable } from './table.ts';

const limitMs = 1000;
const runs = setting('ROUNDS', 7);
const subnetFile = '/run/flannel/subnet.env';

/** What the daemon has done by the time it says so, by the clock of its log. */
const milestones = [
  ['the program: arguments, log', /(\S+) info +weft starts /],
  ['daemon and etcd client: imports, connection, config', /(\S+) info +chose the interface /],
  ['lease', /(\S+) info +leased /],
  ['device, address, list of peers', /(\S+) info +\d+ peers applied /],
  ['subnet.env', /(\S+) info +ready /],
] as const;

await answer(import.meta.filename, bench);

async function bench(scope: Scope, say: Say): Promise<Row[]> {
  const underlay = await createUnderlay(scope);
  const parts = new Map<string, number[]>();
  const totals: Record<'weft' | 'first' | 'flanneld', number[]> = { weft: [], first: [], flanneld: [] };
  await onFreshHost(underlay, startWeft, {});
  for (let run = 0; run < runs; run++) {
    const node = await onFreshHost(underlay, startNode, {});
    const weft = await onFreshHost(underlay, startWeft, {});
    totals.weft.push(weft.totalMs);
    for (const [name, milliseconds] of partsOf(weft, node)) {
      parts.set(name, [...(parts.get(name) ?? []), milliseconds]);
    }
    const cache = await mkdtemp(path.join(tmpdir(), 'compile-cache-'));
    totals.first.push((await onFreshHost(underlay, startWeft, { NODE_COMPILE_CACHE: cache })).totalMs);
    await rm(cache, { recursive: true });
    if (flanneld !== undefined)
      totals.flanneld.push((await onFreshHost(underlay, startFlanneld, {})).totalMs);
  }
  const rows = [
    ...[...parts].map(([name, milliseconds]) => ({ name: `  ${name}`, milliseconds })),
    { name: 'weft run', milliseconds: totals.weft },
    { name: 'weft run, the very first time (nothing compiled yet)', milliseconds: totals.first },
    ...(flanneld === undefined ? [] : [{ name: 'flanneld', milliseconds: totals.flanneld }]),
  ];
  say(`${renderTable(`process start to subnet.env, ${runs} runs`, rows)}\n`);
  const figure = { what: 'start to subnet.env, no peers', found: median(totals.weft), unit: 'ms' } as const;
  const wanted = { atMost: limitMs };
  if (flanneld === undefined) return [{ ...figure, wanted }];
  return [{ ...figure, beside: { name: 'flanneld', value: median(totals.flanneld) }, wanted }];
}

interface Start {
  readonly daemon: Daemon;
  /** Wall clock. */
  readonly startedAtMs: number;
  /** Until subnet.env was seen. */
  readonly totalMs: number;
}

type Environment = Readonly<Record<string, string>>;

async function onFreshHost(
  underlay: Underlay,
  start: (host: WeftHost, env: Environment) => Promise<Daemon>,
  env: Environment,
): Promise<Start> {
  const scope = new Scope();
  try {
    const [host] = await (await createCluster(scope, underlay)).addHosts('host');
    const startedAtMs = Date.now();
    const from = performance.now();
    const daemon = await start(host, env);
    await daemon.waitFor('subnet.env', () => existsSync(host.file(subnetFile)), { intervalMs: 1 });
    const totalMs = performance.now() - from;
    if (start === startWeft) await waitUntilReady(daemon);
    await daemon.kill();
    return { daemon, startedAtMs, totalMs };
  } finally {
    await scope.close();
  }
}

function startWeft(host: WeftHost, env: Environment): Promise<Daemon> {
  return host.startWeft(['-iface', 'eth0'], { env });
}

/** A Node that makes the file and nothing else. */
function startNode(host: WeftHost): Promise<Daemon> {
  const script = `require('fs').writeFileSync('${subnetFile}', ''); setInterval(() => {}, 1000)`;
  return host.start([pinnedNode(), '-e', script]);
}

function partsOf({ daemon, startedAtMs }: Start, node: Start): Array<readonly [string, number]> {
  let last = startedAtMs + node.totalMs;
  const parts = milestones.map(([name, pattern]) => {
    const at = Date.parse(pattern.exec(daemon.output)?.[1] ?? '');
    const part = at - last;
    last = at;
    return [name, part] as const;
  });
  return [['entering the host, starting Node', node.totalMs], ...parts];
}
