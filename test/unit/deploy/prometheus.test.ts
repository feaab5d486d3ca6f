/** Alerts, dashboard and documentation speak of metrics that are there, with labels that they have. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { catalogue } from '../../../src/daemon/metrics/catalogue.ts';
import type { MetricSpec, MetricTable } from '../../../src/metrics/metric.ts';

const root = path.join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const table: MetricTable = catalogue;

/** By what Prometheus itself adds, and `-networks`. */
const everywhere = ['instance', 'job', 'network', 'le'];

/** Metric names of an expression, with the labels that it chooses by. */
function selectors(expression: string): Array<{ readonly name: string; readonly labels: readonly string[] }> {
  const found = expression.matchAll(/\b((?:weft|process|nodejs)_[a-z_]+)(?:\{([^}]*)\})?/g);
  return Array.from(found, ([, name = '', inside = '']) => ({
    name,
    labels: Array.from(inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g), match => match[1] ?? ''),
  }));
}

function groupings(expression: string): string[] {
  const found = expression.matchAll(/\b(?:by|without|on)\s*\(([^)]*)\)/g);
  return Array.from(found, match => match[1] ?? '').flatMap(list => list.split(/\s*,\s*/).filter(Boolean));
}

/** What is wrong with an expression; nothing when it is right. */
function faults(expression: string): string[] {
  const used = selectors(expression);
  const specs = used.map(({ name, labels }) => ({ name, labels, spec: specOf(name) }));
  const unknown = specs.flatMap(({ name, spec }) => (spec === undefined ? [`there is no ${name}`] : []));
  const labels = specs.flatMap(({ name, labels: wanted, spec }) =>
    wanted.filter(label => !labelsOf(spec).includes(label)).map(label => `${name} has no label ${label}`),
  );
  const all = [...everywhere, ...specs.flatMap(({ spec }) => labelsOf(spec))];
  const groups = groupings(expression).filter(label => !all.includes(label));
  const rates = specs.flatMap(({ name, spec }) => {
    const isCount = spec?.type !== 'gauge';
    const isRate = new RegExp(`(rate|increase)\\(${name}\\b`).test(expression);
    return isCount === isRate ? [] : [`${name}: a rate is for counts, and counts are for rates`];
  });
  return [...unknown, ...labels, ...groups.map(label => `nothing has ${label}`), ...rates];
}

function specOf(name: string): MetricSpec | undefined {
  const base = table[name.replace(/_(bucket|sum|count)$/, '')];
  return table[name] ?? (base?.type === 'histogram' ? base : undefined);
}

function labelsOf(spec: MetricSpec | undefined): string[] {
  return [...everywhere, ...(spec?.labels ?? [])];
}

interface Rule {
  readonly name: string;
  readonly expression: string;
  readonly text: string;
}

function rules(): Rule[] {
  return read('deploy/prometheus-rules.yml')
    .split(/^ {6}- alert: /m)
    .slice(1)
    .map(text => {
      const [, folded, plain] = /^ {8}expr: (?:>-\n((?: {10}.*\n)+)|(.*)\n)/m.exec(text) ?? [];
      const expression = (folded ?? plain ?? '').trim().replace(/\s+/g, ' ');
      return { name: text.split('\n')[0] ?? '', expression, text };
    });
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>;
}

const dashboard = JSON.parse(read('deploy/grafana-dashboard.json')) as { readonly panels: readonly Panel[] };

test('every alert asks for metrics that are there, and says what is wrong and where to look', () => {
  const all = rules();
  assert.equal(all.length, 17);
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, expression, text } of all) {
    assert.deepEqual(faults(expression), [], name);
    assert.ok(selectors(expression).length > 0 || name === 'WeftDown', name);
    assert.match(text, /^ {8}labels: \{severity: (warning|critical)\}$/m, name);
    assert.match(text, /^ {10}summary: '.*\$labels.*'$/m, name);
    assert.match(text, /^ {10}description: '.+'$/m, name);
  }
});

test('every alert’s labels are those that its metrics have', () => {
  for (const { name, expression, text } of rules()) {
    const known = [...everywhere, ...selectors(expression).flatMap(one => labelsOf(specOf(one.name)))];
    const used = Array.from(text.matchAll(/\$labels\.(\w+)/g), match => match[1] ?? '');
    assert.deepEqual(
      used.filter(label => !known.includes(label)),
      [],
      name,
    );
  }
});

test('every panel asks for metrics that are there, and no two panels lie on one another', () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, type, gridPos, targets = [] } of panels) {
    assert.ok(type === 'row' || targets.length > 0, title);
    for (const { expr, legendFormat } of targets) {
      assert.deepEqual(faults(expr), [], title);
      const known = [...everywhere, ...selectors(expr).flatMap(one => labelsOf(specOf(one.name)))];
      const used = Array.from(legendFormat.matchAll(/\{\{(\w+)\}\}/g), match => match[1] ?? '');
      assert.deepEqual(
        used.filter(label => !known.includes(label)),
        [],
        title,
      );
    }
    const { x, y, w, h } = gridPos;
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let row = y; row < y + h; row++) {
        const cell = `${column},${row}`;
        assert.equal(taken.get(cell), undefined, `${title} at ${cell}`);
        taken.set(cell, title);
      }
    }
  }
});

test('a mistake in an expression would be told', () => {
  const mistakes: Readonly<Record<string, string>> = {
    'weft_peer{state="refused"} > 0': 'there is no weft_peer',
    'weft_peers{stat="refused"} > 0': 'weft_peers has no label stat',
    'sum by (kind) (weft_peers)': 'nothing has kind',
    'weft_repairs_total > 10': 'weft_repairs_total: a rate is for counts, and counts are for rates',
    'rate(weft_leases[5m])': 'weft_leases: a rate is for counts, and counts are for rates',
    'rate(weft_leases_bucket[5m])': 'there is no weft_leases_bucket',
  };
  for (const [expression, fault] of Object.entries(mistakes)) {
    assert.ok(faults(expression).includes(fault), `${expression}: ${faults(expression)}`);
  }
});

test('names are by Prometheus’ conventions', () => {
  for (const [name, { type, help }] of Object.entries(table)) {
    assert.match(name, /^(weft|process)_[a-z0-9]+(_[a-z0-9]+)*$/);
    assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    assert.match(help, /^[A-Z].*[^.]$/, name);
    assert.doesNotMatch(name, /_(milliseconds|ms|minutes|hours|kilobytes|percent)(_|$)/, name);
    if (type === 'histogram') assert.match(name, /_seconds$/);
  }
});

test('docs/metrics.md has a row for each metric, which says what /metrics says', () => {
  const rows = Array.from(
    read('docs/metrics.md').matchAll(/^\| `((?:weft|process)_\w+)` .*$/gm),
    match => match[0],
  );
  const expected = Object.entries(table).map(([name, { type, labels = [], help }]) => {
    return `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`;
  });
  assert.deepEqual(rows, expected);
});

test('the expressions that docs/metrics.md gives are right', () => {
  const [, questions = ''] = read('docs/metrics.md').split('## Questions they answer');
  const expressions = Array.from(questions.matchAll(/^\| [A-Z].* \| `(.*)` \|$/gm), match => match[1] ?? '');
  assert.equal(expressions.length, 10);
  for (const expression of expressions) assert.deepEqual(faults(expression), [], expression);
});
