import type { ContainerStatus, HostStatus, LabStatus } from './lab-status.ts';

const heads = ['HOST', 'UNDERLAY', 'SUBNET', 'DAEMON', 'CONTAINERS'] as const;

/** A lab as a table, one line per address of a container. */
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

/** What there are several of stands below each other. */
function hostRows({ name, underlay, subnets, daemonPid, containers }: HostStatus): string[][] {
  const columns: ReadonlyArray<readonly string[]> = [
    [name],
    underlay,
    orDash(subnets),
    [daemonPid === undefined ? 'not running' : `pid ${daemonPid}`],
    orDash(containers.flatMap(containerLines)),
  ];
  const height = Math.max(...columns.map(column => column.length));
  return Array.from({ length: height }, (_, row) => columns.map(column => column[row] ?? ''));
}

function containerLines({ name, addresses: [first, ...more] }: ContainerStatus): string[] {
  return [
    `${name}  ${first ?? 'no address'}`,
    ...more.map(address => `${' '.repeat(name.length)}  ${address}`),
  ];
}

function orDash(cells: readonly string[]): readonly string[] {
  return cells.length === 0 ? ['-'] : cells;
}
