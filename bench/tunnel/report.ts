/** The table, and whether what must hold holds. */
import { median } from '../table.ts';

/** Medians of what was measured; NaN for what was not, or could not be kept up. */
export interface Figures {
  readonly name: string;
  readonly tcp1: readonly number[];
  readonly tcp4: readonly number[];
  readonly packets: readonly number[];
  readonly rttMs: readonly number[];
  readonly cpu: readonly number[];
}

const columns = ['TCP, 1 stream', '4 streams', '64-byte packets/s', 'mean RTT ms', 'CPU at 500 Mbit/s'];

export function renderFigures(title: string, rows: readonly Figures[]): string {
  const cells = rows.map(({ name, tcp1, tcp4, packets, rttMs, cpu }) => [
    name,
    shown(tcp1, value => `${value.toFixed(2)} Gbit/s`),
    shown(tcp4, value => `${value.toFixed(2)} Gbit/s`),
    shown(packets, value => `${Math.round(value / 1000)},000`),
    shown(rttMs, value => value.toFixed(3)),
    shown(cpu, value => `${(100 * value).toFixed(0)} %`),
  ]);
  return renderCells([[title, ...columns], ...cells]);
}

export interface Verdict {
  readonly what: string;
  readonly found: number;
  readonly wanted: string;
  readonly holds: boolean;
}

export function atLeast(what: string, found: number, least: number): Verdict {
  return { what, found, wanted: `at least ${least}`, holds: found >= least };
}

export function atMost(what: string, found: number, most: number): Verdict {
  return { what, found, wanted: `at most ${most}`, holds: found <= most };
}

export function renderVerdicts(title: string, verdicts: readonly Verdict[]): string {
  const cells = verdicts.map(({ what, found, wanted, holds }) => [
    what,
    found.toFixed(2),
    wanted,
    holds ? 'yes' : 'NO',
  ]);
  return renderCells([[title, 'found', 'wanted', 'holds'], ...cells]);
}

/** The udp backend against the simple tunnel, the kernel's VXLAN and, if it is there, flanneld. */
export function judgeFigures(rows: readonly Figures[], leastOfVxlan: number): Verdict[] {
  const [simple, full] = [rows[0], rows[4]];
  const [vxlan, flanneld] = [rows[5], rows[6]];
  if (simple === undefined || full === undefined || vxlan === undefined) return [];
  const streams = [
    ['1 stream', (row: Figures) => median(row.tcp1)],
    ['4 streams', (row: Figures) => median(row.tcp4)],
  ] as const;
  const verdicts = streams.flatMap(([name, of]) => [
    atLeast(`TCP, ${name}: times the simple tunnel`, of(full) / of(simple), 8),
    atLeast(`TCP, ${name}: times the kernel's VXLAN`, of(full) / of(vxlan), leastOfVxlan),
    ...(flanneld === undefined ? [] : [atLeast(`TCP, ${name}: times flanneld`, of(full) / of(flanneld), 8)]),
  ]);
  return [
    ...verdicts,
    atLeast('64-byte packets: times the simple tunnel', median(full.packets) / median(simple.packets), 1.5),
    atMost('mean RTT: times the simple tunnel', median(full.rttMs) / median(simple.rttMs), 1.5),
    atMost('CPU at 500 Mbit/s, of a core', median(full.cpu), 0.25),
  ];
}

function shown(values: readonly number[], render: (value: number) => string): string {
  const value = median(values);
  return Number.isNaN(value) ? '-' : render(value);
}

function renderCells(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map(line => line[column]?.length ?? 0)),
  );
  const [head = '', ...rest] = lines.map(line =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  '),
  );
  return [head, '-'.repeat(head.length), ...rest].join('\n');
}
