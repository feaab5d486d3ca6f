/** What is measured, in Prometheus' terms: a metric has a name, a type and a meaning, and one sample for each set of labels. */

/** Says of a metric what stays the same. */
export interface MetricSpec {
  /** A counter only grows, and its name ends in `_total`. */
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** One sentence without a full stop. */
  readonly help: string;
  /** Which labels its samples have, beside those that all have. */
  readonly labels?: readonly string[] | undefined;
}

/** Metrics by name. */
export type MetricTable = Readonly<Record<string, MetricSpec>>;

/** By name; one whose value is '' is left out, which means the same to Prometheus. */
export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number | Distribution;
}

/** What a histogram has seen. */
export interface Distribution {
  /** How many were at most `le`, the least `le` first; what was more than the last is only in `count`. */
  readonly buckets: ReadonlyArray<{ readonly le: number; readonly count: number }>;
  readonly sum: number;
  readonly count: number;
}
