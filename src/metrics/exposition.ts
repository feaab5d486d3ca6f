/**
 * What Prometheus reads: its own text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), and OpenMetrics
 * 1.0, which calls a counter by its name without `_total` and says where it ends.
 */
import type { Distribution, Labels, MetricSpec, MetricTable, Sample } from './metric.ts';
import type { Sheet } from './sheet.ts';

export type Format = 'text' | 'openmetrics';

export const contentTypes: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The format for an HTTP Accept header: OpenMetrics for whoever takes it, as Prometheus does. */
export function formatFor(accept: string | undefined): Format {
  return /\bapplication\/openmetrics-text\b/.test(accept ?? '') ? 'openmetrics' : 'text';
}

/** All samples of a sheet, in the order of the table. Metrics without a sample are left out. */
export function exposition<Table extends MetricTable>(
  table: Table,
  sheet: Sheet<keyof Table & string>,
  format: Format,
): string {
  const families = Object.entries(table).map(([name, spec]) => {
    const samples = sheet.samplesOf(name);
    return samples.length === 0 ? '' : familyText(name, spec, samples, format);
  });
  return `${families.join('')}${format === 'openmetrics' ? '# EOF\n' : ''}`;
}

function familyText(name: string, spec: MetricSpec, samples: readonly Sample[], format: Format): string {
  const family = format === 'openmetrics' && spec.type === 'counter' ? name.replace(/_total$/, '') : name;
  const head = `# HELP ${family} ${escapeHelp(spec.help, format)}\n# TYPE ${family} ${spec.type}\n`;
  return head + samples.map(({ labels, value }) => sampleText(name, labels, value)).join('');
}

function sampleText(name: string, labels: Labels, value: Sample['value']): string {
  if (typeof value === 'number') return line(name, labels, value);
  return distributionText(name, labels, value);
}

function distributionText(name: string, labels: Labels, { buckets, sum, count }: Distribution): string {
  const all = [...buckets, { le: Number.POSITIVE_INFINITY, count }];
  const lines = all.map(one => line(`${name}_bucket`, { ...labels, le: boundText(one.le) }, one.count));
  return [...lines, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, count)].join('');
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels)
    .filter(([, text]) => text !== '')
    .map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}\n`;
}

/** OpenMetrics wants `1.0` where it means a bound, and both formats are to name the same series. */
function boundText(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : numberText(value);
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, found => (found === '\n' ? '\\n' : `\\${found}`));
}

function escapeHelp(text: string, format: Format): string {
  return format === 'openmetrics'
    ? escapeLabel(text)
    : text.replace(/[\\\n]/g, found => (found === '\n' ? '\\n' : '\\\\'));
}
