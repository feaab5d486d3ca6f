import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { contentTypes, exposition, formatFor } from '../../../src/metrics/exposition.ts';
import { Histogram } from '../../../src/metrics/histogram.ts';
import type { MetricTable } from '../../../src/metrics/metric.ts';
import { createSheet } from '../../../src/metrics/sheet.ts';
import { parsePrometheusText } from '../../support/prometheus-text.ts';

const table = {
  weft_leases: { type: 'gauge', help: 'Leases' },
  weft_repairs_total: { type: 'counter', help: 'Repairs of "all" kinds,\nin C:\\weft', labels: ['object'] },
  weft_delay_seconds: { type: 'histogram', help: 'Delay' },
  weft_silent: { type: 'gauge', help: 'Never told' },
} as const satisfies MetricTable;

function filled() {
  const sheet = createSheet(table);
  const red = sheet.with({ network: 'red' });
  const delay = new Histogram([0.5, 1]);
  for (const value of [0.1, 0.5, 0.7, 4]) delay.observe(value);
  red.put('weft_repairs_total', 3, { object: 'route', netns: '' });
  sheet.put('weft_repairs_total', 1e21, { object: 'a "b"\n\\c' });
  sheet.put('weft_leases', true);
  red.put('weft_leases', Number.POSITIVE_INFINITY);
  sheet.put('weft_silent', undefined);
  red.putHistogram('weft_delay_seconds', delay);
  return sheet;
}

const samples = String.raw`weft_repairs_total{network="red",object="route"} 3
weft_repairs_total{object="a \"b\"\n\\c"} 1e+21
`;
const histogram = `# HELP weft_delay_seconds Delay
# TYPE weft_delay_seconds histogram
weft_delay_seconds_bucket{network="red",le="0.5"} 2
weft_delay_seconds_bucket{network="red",le="1.0"} 3
weft_delay_seconds_bucket{network="red",le="+Inf"} 4
weft_delay_seconds_sum{network="red"} 5.3
weft_delay_seconds_count{network="red"} 4
`;
const leases = `# HELP weft_leases Leases
# TYPE weft_leases gauge
weft_leases 1
weft_leases{network="red"} +Inf
`;

test('the text is Prometheus’ own: in the order of the table, what is not known left out, all escaped', () => {
  const help = String.raw`# HELP weft_repairs_total Repairs of "all" kinds,\nin C:\\weft`;
  assert.equal(
    exposition(table, filled(), 'text'),
    `${leases}${help}\n# TYPE weft_repairs_total counter\n${samples}${histogram}`,
  );
});

test('OpenMetrics calls a counter by its name without _total, escapes quotes in help, and says where it ends', () => {
  const help = String.raw`# HELP weft_repairs Repairs of \"all\" kinds,\nin C:\\weft`;
  assert.equal(
    exposition(table, filled(), 'openmetrics'),
    `${leases}${help}\n# TYPE weft_repairs counter\n${samples}${histogram}# EOF\n`,
  );
});

test('whoever takes OpenMetrics gets it, everybody else the text', () => {
  const prometheus =
    'application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  assert.equal(formatFor(prometheus), 'openmetrics');
  for (const accept of [undefined, '', '*/*', 'text/plain', 'text/html, application/json']) {
    assert.equal(formatFor(accept), 'text', String(accept));
  }
  assert.match(contentTypes.text, /version=0\.0\.4/);
});

test('whatever labels and values are, another reader finds them as they were', () => {
  const labels = fc.dictionary(
    fc.constantFrom('object', 'device', 'reason'),
    fc.string({ unit: 'binary', minLength: 1 }),
  );
  fc.assert(
    fc.property(labels, fc.double(), (wanted, value) => {
      const sheet = createSheet(table);
      sheet.put('weft_leases', value, wanted);
      const { families } = parsePrometheusText(exposition(table, sheet, 'text'));
      const sample = families.get('weft_leases')?.samples[0];
      assert.deepEqual({ ...sample?.labels }, { ...wanted });
      assert.equal(sample?.value, Object.is(value, -0) ? 0 : value);
    }),
  );
});

test('a histogram counts as a slow one would', () => {
  const bounds = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 1 });
  fc.assert(
    fc.property(bounds, fc.array(fc.integer({ min: -60, max: 60 })), (unsorted, values) => {
      const sorted = unsorted.toSorted((one, other) => one - other);
      const fast = new Histogram(sorted);
      for (const value of values) fast.observe(value);
      assert.deepEqual(fast.read(), {
        buckets: sorted.map(le => ({ le, count: values.filter(value => value <= le).length })),
        sum: values.reduce((sum, value) => sum + value, 0),
        count: values.length,
      });
    }),
  );
});

test('the other reader refuses what is no metric', () => {
  const good = 'weft_a_bucket{le="1.0"} 1\nweft_a_bucket{le="+Inf"} 2\nweft_a_sum 1\nweft_a_count 2\n';
  const typed = (body: string) => `# HELP weft_a A\n# TYPE weft_a histogram\n${body}`;
  parsePrometheusText(typed(good));
  const faults: Readonly<Record<string, string>> = {
    'no end': typed(good).slice(0, -1),
    'no type': `# HELP weft_a A\n${good}`,
    'another family': `${typed(good)}weft_b 1\n`,
    'told twice': typed(good) + typed(good),
    'fewer in the larger bucket': typed(good.replace('le="1.0"} 1', 'le="1.0"} 3')),
    'a count of its own': typed(good.replace('count 2', 'count 3')),
    'an open label': typed(good.replace('"1.0"}', '"1.0}')),
    'a number that is none': typed(good.replace('_sum 1', '_sum 0x1')),
    'an empty line': `${typed(good)}\n`,
  };
  for (const [what, text] of Object.entries(faults)) assert.throws(() => parsePrometheusText(text), what);
});
