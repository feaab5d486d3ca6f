import type { ContainerStatus, HostStatus, LabStatus } from './lab-status.ts';

const heads = ['HOST', 'UNDERLAY', 'SUBNET', 'DAEMON', 'CONTAINERS'] as const;

/** A lab as a table, one line per container. */
export function renderLab({ hosts }: LabStatus): string {
  return renderTable([heads, ...hosts.flatMap(hostRows)]);
}

/** Cells in columns, two spaces apart. */
export function renderTable(rows: ReadonlyArray<readonly string[]>): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  return rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function hostRows({ name, underlay, subnet, daemonPid, containers }: HostStatus): string[][] {
  const daemon = daemonPid === undefined ? 'not running' : `pid ${daemonPid}`;
  const [first, ...more] = containers.map(containerText);
  return [
    [name, underlay, subnet ?? '-', daemon, first ?? '-'],
    ...more.map(container => ['', '', '', '', container]),
  ];
}

function containerText({ name, address }: ContainerStatus): string {
  return `${name}  ${address ?? 'no address'}`;
}
