/**
 * What does a restart cost when everything is in place? Nothing may be written, which is counted twice: by the daemon's own
 * counter of changes, and by a monitor of the kernel's notices. Beside iproute2 reading the same tables, the floor under
 * every comparison. (flanneld writes all again, and says nowhere when it has done.)
 *
 *     npm run bench -- restart
 *
 * PEERS is 10,000 unless given, ROUNDS 5.
 */
import { type WeftHost, waitUntilReady } from '../test/support/weft-host.ts';
import { createUnderlay } from '../test/support/weft-underlay.ts';
import { answer, setting } from './answer.ts';
import { pinnedNode } from './machine.ts';
import { endDaemon, startWeft } from './scale/daemons.ts';
import { readTables } from './scale/iproute2.ts';
import { wrongEntries } from './scale/overlay-entries.ts';
import { createScaleNetwork } from './scale/scale-network.ts';
import { listenToVtep } from './scale/touches.ts';
import { median, renderTable } from './table.ts';

const peers = setting('PEERS', 10_000);
const rounds = setting('ROUNDS', 5);
const limitSeconds = 0.7;
const metricsFlags = ['-metrics-addr', '127.0.0.1:9469'];
const quietMs = 200;

await answer(import.meta.filename, async (scope, say) => {
  const network = await createScaleNetwork(scope, await createUnderlay(scope), peers);
  const [host] = await network.cluster.addHosts('host');
  const first = await startWeft(host, metricsFlags);
  await waitUntilReady(first);
  const made = await changesOf(host);
  if (made < peers) throw new Error(`expected the counter to count the first start, found ${made} changes`);
  await first.stop();
  const touches = await listenToVtep(scope, host);
  const [readyMs, readMs]: [number[], number[]] = [[], []];
  const [counted, noticed]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    readMs.push(await timed(() => readTables(host)));
    touches.forget();
    const fromMs = performance.now();
    const weft = await startWeft(host, metricsFlags);
    await weft.waitFor('readiness', () => / ready subnetFile=/.test(weft.output), { intervalMs: 1 });
    readyMs.push(performance.now() - fromMs);
    await touches.quiet(quietMs);
    counted.push(await changesOf(host));
    noticed.push(touches.counts.size);
    await endDaemon(weft);
  }
  if ((await wrongEntries(host, network.facts())) > 0)
    throw new Error('expected all in place, found otherwise');
  say(
    renderTable(`${peers} peers, ${rounds} rounds`, [
      { name: 'start to readiness', milliseconds: readyMs },
      { name: 'iproute2 reads the tables', milliseconds: readMs },
    ]),
  );
  const what = `restart, ${peers} peers in place`;
  const ready = { what: `${what}: ready`, found: median(readyMs) / 1000, unit: 's' } as const;
  return [
    {
      what: `${what}: changes it counted`,
      found: Math.max(...counted),
      unit: '',
      wanted: { atMost: 0 },
    },
    {
      what: `${what}: entries touched`,
      found: Math.max(...noticed),
      unit: '',
      wanted: { atMost: 0 },
    },
    {
      ...ready,
      beside: { name: 'ip and bridge reading all', value: median(readMs) / 1000 },
      wanted: { atMost: limitSeconds },
    },
  ];
});

/** The sum of weft_kernel_changes_total, which has no lines before the first change. */
async function changesOf(host: WeftHost): Promise<number> {
  const ask = "fetch('http://127.0.0.1:9469/metrics').then(answer => answer.text()).then(console.log)";
  const text = await host.netns.run([pinnedNode(), '-e', ask]);
  const values = [...text.matchAll(/^weft_kernel_changes_total\{.*\} (\d+)$/gm)];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

async function timed(act: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await act();
  return performance.now() - fromMs;
}
