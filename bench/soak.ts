/**
 * Does it stay whole? Hosts join and leave, etcd is killed and restored, daemons are killed, entries are damaged, while
 * all pairs of containers ping; see test/e2e/repair-soak.ts. Fails when at the end a host is not as the leases say, or
 * when the daemon that lived through it has more descriptors or a tenth more memory than after the warm-up, or is busy.
 *
 *     npm run bench -- soak
 *
 * SOAK_SECONDS is how long; 600 unless given. SOAK_SEED decides the order.
 */
import process from 'node:process';
import { type SoakReport, soak } from '../test/e2e/repair-soak.ts';
import { inSandbox } from './sandbox.ts';

const seconds = Number(process.env['SOAK_SECONDS'] ?? 600);
const seed = Number(process.env['SOAK_SEED'] ?? 1);
const mostGrowth = 1.1;
const mostIdleCpu = 0.02;

await inSandbox(import.meta.filename, async scope => {
  const last: string[] = [];
  const onAction = (action: string): void => {
    last.push(action);
    if (last.length > 20) last.shift();
  };
  try {
    const report = await soak(scope, { seconds, seed, onAction });
    process.stdout.write(`${render(report)}\n`);
    if (!isSound(report)) process.exitCode = 1;
  } catch (error) {
    process.stderr.write(`bench: the last that was done, seed ${seed}:\n  ${last.join('\n  ')}\n`);
    throw error;
  }
});

function isSound({ witness: { after, end }, idleCpu }: SoakReport): boolean {
  const grown = end.rssBytes > after.rssBytes * mostGrowth;
  const leaking = end.descriptors > after.descriptors;
  for (const [is, what] of [
    [grown, 'the memory has grown by more than a tenth'],
    [leaking, 'descriptors are leaked'],
    [idleCpu > mostIdleCpu, 'the daemon is busy with nothing to do'],
  ] as const) {
    if (is) process.stderr.write(`bench: ${what}\n`);
  }
  return !grown && !leaking && idleCpu <= mostIdleCpu;
}

function render({ actions, pings, repairs, witness: { after, end }, idleCpu }: SoakReport): string {
  const megabytes = ({ rssBytes }: { readonly rssBytes: number }): string => (rssBytes / 1e6).toFixed(1);
  const rows: ReadonlyArray<readonly [string, string | number]> = [
    ...actions,
    ['pairs of containers that ping ten times a second', pings.pairs],
    ['packets sent', pings.sent],
    ['packets lost', `${pings.lost} (${((100 * pings.lost) / pings.sent).toFixed(2)} %)`],
    ['repairs told of by the daemon that was never killed', repairs],
    ['its descriptors after warm-up, at the end', `${after.descriptors}, ${end.descriptors}`],
    ['its memory (RSS, MB) after warm-up, at the end', `${megabytes(after)}, ${megabytes(end)}`],
    ['its CPU when all was over', `${(100 * idleCpu).toFixed(1)} %`],
    ['hosts that are as the leases say', 'all'],
  ];
  const title = `${seconds} seconds of everything at once, seed ${seed}`;
  const width = Math.max(title.length, ...rows.map(([name]) => name.length));
  return [
    title,
    '-'.repeat(width + 12),
    ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`),
  ].join('\n');
}
