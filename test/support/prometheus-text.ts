/**
 * Reads what Prometheus would read, by the words of the format's specification
 * (prometheus.io/docs/instrumenting/exposition_formats), character by character and strictly: every line must be one that
 * the specification knows, a family is told once and in one piece, and a histogram's buckets only grow.
 */
import assert from 'node:assert/strict';

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly ParsedSample[];
}

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Scrape {
  readonly families: ReadonlyMap<string, Family>;
  /** The value of the one sample of this name with at least these labels. @throws AssertionError when there is none, or more */
  value(name: string, labels?: Readonly<Record<string, string>>): number;
  /** All samples of this name with at least these labels. */
  all(name: string, labels?: Readonly<Record<string, string>>): readonly ParsedSample[];
}

type Mutable = { type: string; help: string; samples: ParsedSample[] };

/** @throws AssertionError */
export function parsePrometheusText(text: string): Scrape {
  assert.ok(text.endsWith('\n'), 'the last line ends');
  const families = new Map<string, Mutable>();
  let current = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const meta = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (meta !== null) {
      const [, what = '', name = '', rest = ''] = meta;
      if (what === 'HELP') {
        assert.ok(!families.has(name), `${name} is told once`);
        families.set(name, { type: '', help: plainText(rest, '\\n'), samples: [] });
        current = name;
      } else {
        const family = families.get(name);
        assert.ok(
          family !== undefined && current === name && family.type === '',
          `the type of ${name} follows its help`,
        );
        assert.match(rest, /^(counter|gauge|histogram|summary|untyped)$/);
        family.type = rest;
      }
      continue;
    }
    const sample = parseSample(line);
    const family = families.get(current);
    assert.ok(
      family !== undefined && belongs(sample.name, current, family.type),
      `${line} belongs to ${current}`,
    );
    family.samples.push(sample);
  }
  for (const [name, family] of families) checkFamily(name, family);
  const samples = [...families.values()].flatMap(family => family.samples);
  const all: Scrape['all'] = (name, labels = {}) =>
    samples.filter(
      sample =>
        sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  const value: Scrape['value'] = (name, labels) => {
    const found = all(name, labels);
    assert.equal(found.length, 1, `one sample of ${name} ${JSON.stringify(labels ?? {})}\n${text}`);
    return found[0]?.value ?? Number.NaN;
  };
  return { families, all, value };
}

function parseSample(line: string): ParsedSample {
  const head = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)?.[0] ?? '';
  assert.ok(head !== '', `a sample begins with a name: ${line}`);
  let at = head.length;
  const labels: Record<string, string> = {};
  if (line[at] === '{') {
    at++;
    while (line[at] !== '}') {
      const found = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|(?=\}))/.exec(line.slice(at));
      assert.ok(found !== null, `a label at column ${at}: ${line}`);
      const [whole, name = '', value = ''] = found;
      assert.ok(!(name in labels), `${name} once: ${line}`);
      labels[name] = plainText(value, '\\n"');
      at += whole.length;
    }
    at++;
  }
  const number = /^ (\S+)$/.exec(line.slice(at))?.[1];
  assert.ok(number !== undefined, `a value at column ${at}: ${line}`);
  return { name: head, labels, value: parseNumber(number) };
}

function parseNumber(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  if (text === 'NaN') return Number.NaN;
  assert.match(text, /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i);
  return Number(text);
}

function plainText(text: string, known: string): string {
  return text.replace(/\\(.)/g, (_, letter: string) => {
    assert.ok(known.includes(letter), `\\${letter} means something`);
    return letter === 'n' ? '\n' : letter;
  });
}

function belongs(sample: string, family: string, type: string): boolean {
  if (type !== 'histogram') return sample === family;
  return ['_bucket', '_sum', '_count'].some(suffix => sample === family + suffix);
}

function checkFamily(name: string, { type, samples }: Mutable): void {
  assert.notEqual(type, '', `${name} has a type`);
  const series = samples.map(sample => JSON.stringify([sample.name, Object.entries(sample.labels).sort()]));
  assert.equal(new Set(series).size, series.length, `every sample of ${name} is told once`);
  if (type === 'counter') {
    for (const { value } of samples) assert.ok(value >= 0, `${name} is a count`);
  }
  if (type === 'histogram') checkHistograms(name, samples);
}

function checkHistograms(name: string, samples: readonly ParsedSample[]): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...rest } }) =>
    JSON.stringify(Object.entries(rest).sort()),
  );
  for (const group of groups.values()) {
    const buckets = group.filter(sample => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => parseNumber(labels['le'] ?? ''));
    assert.deepEqual(
      bounds,
      [...bounds].sort((one, other) => one - other),
      `${name}: bounds in order`,
    );
    assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY, `${name}: the last bucket holds all`);
    const counts = buckets.map(({ value }) => value);
    assert.deepEqual(
      counts,
      [...counts].sort((one, other) => one - other),
      `${name}: buckets hold those below`,
    );
    const rest = group.filter(sample => sample.name !== `${name}_bucket`).map(sample => sample.name);
    assert.deepEqual(rest, [`${name}_sum`, `${name}_count`]);
    assert.equal(counts.at(-1), group.at(-1)?.value, `${name}: the count is that of the last bucket`);
  }
}
