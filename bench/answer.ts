/**
 * What a question of the table answers: rows, each a figure, what it stands beside, and what is wanted of it.
 *
 *     await answer(import.meta.filename, async (scope, say) => [{ what: 'start', found: 0.4, unit: 's' }]);
 */
import process from 'node:process';
import type { Scope } from '../src/base/scope.ts';
import { inSandbox } from './sandbox.ts';
import { renderColumns } from './table.ts';

export interface Row {
  readonly what: string;
  readonly found: number;
  readonly unit: Unit;
  /** The competitor, measured in the same run. */
  readonly beside?: Competitor;
  /** Undefined: told for orientation. */
  readonly wanted?: Wanted;
}

export interface Competitor {
  readonly name: string;
  /** In the row's unit. */
  readonly value: number;
}

/** The empty unit counts things. */
export type Unit = 's' | 'ms' | 'MB' | 'kB' | '';

/** Small is good in every row. */
export type Wanted =
  | { readonly atMost: number }
  /** So many times the competitor's. */
  | { readonly timesAtMost: number }
  /** So much more than the competitor's. */
  | { readonly moreAtMost: number };

/** What a question says besides its rows, to whoever asks it alone. */
export type Say = (text: string) => void;

const asJson = '--json';

/**
 * Answers the question of `file` inside the sandbox and prints its rows: as a table, or with `--json` one a line and
 * nothing else. The exit status is 1 unless all that is wanted holds.
 */
export async function answer(
  file: string,
  question: (scope: Scope, say: Say) => Promise<readonly Row[]>,
): Promise<void> {
  const forProgram = process.argv.includes(asJson);
  const print: Say = text => void process.stdout.write(`${text}\n`);
  await inSandbox(file, async scope => {
    const rows = await question(scope, forProgram ? () => {} : print);
    if (forProgram) for (const row of rows) print(JSON.stringify(row));
    else print(renderColumns(cellsOf(rows), leftColumns));
    if (!rows.every(holds)) process.exitCode = 1;
  });
}

/** What `--json` printed. */
export function rowsOf(output: string): Row[] {
  return output
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Row);
}

/** True also for what nothing is wanted of. */
export function holds({ found, beside, wanted }: Row): boolean {
  if (wanted === undefined) return true;
  if ('atMost' in wanted) return found <= wanted.atMost;
  const value = beside?.value ?? Number.NaN;
  return found <= ('timesAtMost' in wanted ? value * wanted.timesAtMost : value + wanted.moreAtMost);
}

/** How many columns are words, and begin at the left. */
export const leftColumns = 2;

/** The table's lines, the head first. */
export function cellsOf(rows: readonly Row[]): string[][] {
  const lines = rows.map(row => [
    row.what,
    row.beside?.name ?? '',
    amount(row.found, row.unit),
    ...(row.beside === undefined
      ? ['', '']
      : [amount(row.beside.value, row.unit), ratioOf(row.found / row.beside.value)]),
    row.wanted === undefined ? '' : wish(row.wanted, row.unit),
    row.wanted === undefined ? '' : holds(row) ? 'yes' : 'NO',
  ]);
  return [['question', 'beside', 'Weft', 'its figure', 'times', 'wanted', 'holds'], ...lines];
}

/** A number from the environment. @throws Error for what is none */
export function setting(name: string, usual: number): number {
  const text = process.env[name];
  if (text === undefined) return usual;
  if (!/^\d+$/.test(text) || Number(text) === 0) {
    throw new Error(`${name}: expected a number from 1 on, found "${text}"`);
  }
  return Number(text);
}

const fractionDigits: Readonly<Record<Unit, number>> = { s: 3, ms: 2, MB: 1, kB: 2, '': 0 };

function amount(value: number, unit: Unit): string {
  return unit === '' ? value.toFixed(0) : `${value.toFixed(fractionDigits[unit])} ${unit}`;
}

function wish(wanted: Wanted, unit: Unit): string {
  const withUnit = (value: number): string => [Number(value.toPrecision(2)), unit].join(' ').trim();
  if ('atMost' in wanted) return wanted.atMost === 0 ? 'none' : `at most ${withUnit(wanted.atMost)}`;
  if ('timesAtMost' in wanted) return `at most ${wanted.timesAtMost} times`;
  return `at most ${withUnit(wanted.moreAtMost)} more`;
}

function ratioOf(ratio: number): string {
  return Number.isFinite(ratio) ? ratio.toFixed(2) : '';
}
