import type { Histogram } from './histogram.ts';
import type { Labels, MetricTable, Sample } from './metric.ts';

/**
 * One scrape: whoever has something to tell writes it down, by the names of a table.
 *
 *     const sheet = createSheet(metrics);
 *     const red = sheet.with({ network: 'red' });
 *     red.put('weft_leases', 3);
 *     exposition(metrics, sheet, 'text');
 */
export interface Sheet<Name extends string = string> {
  /** Metrics whose value is not known are left out. */
  put(name: Name, value: number | boolean | undefined, labels?: Labels): void;
  putHistogram(name: Name, histogram: Histogram, labels?: Labels): void;
  /** The same sheet, whose samples have these labels too from here on. */
  with(labels: Labels): Sheet<Name>;
  samplesOf(name: Name): readonly Sample[];
}

export function createSheet<Table extends MetricTable>(_table: Table): Sheet<keyof Table & string> {
  return sheetOver(new Map(), {});
}

function sheetOver<Name extends string>(samples: Map<Name, Sample[]>, common: Labels): Sheet<Name> {
  const add = (name: Name, value: Sample['value'], labels: Labels): void => {
    const sample = { labels: { ...common, ...labels }, value };
    const known = samples.get(name);
    if (known === undefined) samples.set(name, [sample]);
    else known.push(sample);
  };
  return {
    put(name, value, labels = {}) {
      if (value !== undefined) add(name, Number(value), labels);
    },
    putHistogram: (name, histogram, labels = {}) => add(name, histogram.read(), labels),
    with: labels => sheetOver(samples, { ...common, ...labels }),
    samplesOf: name => samples.get(name) ?? [],
  };
}
