/** Numbers for people: lines of cells in columns, and several runs of one thing as one figure. */

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
  return renderColumns([[title, 'median ms', 'min', 'max'], ...cells]);
}

/** Lines of cells, the head first and underlined; all but the first `left` columns end at the right. */
export function renderColumns(lines: readonly (readonly string[])[], left = 1): string {
  const [head = []] = lines;
  const widths = head.map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0)));
  const render = (line: readonly string[]): string =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < left ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd();
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  return [render(head), rule, ...lines.slice(1).map(render)].join('\n');
}

/** The same lines in Markdown. */
export function renderMarkdown(lines: readonly (readonly string[])[], left = 1): string[] {
  const [head = [], ...rest] = lines;
  const rule = head.map((_, column) => (column < left ? '---' : '--:'));
  return [head, rule, ...rest].map(line => `| ${line.join(' | ')} |`);
}

/** NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = inOrder(values);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

/** The least value that `share` of all do not exceed, 0.99 for the 99th percentile; NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  return inOrder(values)[Math.max(0, Math.ceil(values.length * share) - 1)] ?? Number.NaN;
}

function inOrder(values: readonly number[]): number[] {
  return [...values].sort((one, other) => one - other);
}
