/** Numbers for people: several runs of one thing as one line of a table. */

export interface Row {
  readonly name: string;
  readonly milliseconds: readonly number[];
}

/** Median, least and most of each row, in milliseconds. */
export function renderTable(title: string, rows: readonly Row[]): string {
  const cells = rows.map(({ name, milliseconds }) => [
    name,
    ...[median(milliseconds), Math.min(...milliseconds), Math.max(...milliseconds)].map(value =>
      value.toFixed(1),
    ),
  ]);
  const lines = [[title, 'median ms', 'min', 'max'], ...cells];
  const widths = [0, 1, 2, 3].map(column => Math.max(...lines.map(line => line[column]?.length ?? 0)));
  const render = (line: readonly string[]): string =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ');
  return [
    render(lines[0] ?? []),
    '-'.repeat(render(lines[0] ?? []).length),
    ...lines.slice(1).map(render),
  ].join('\n');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}
