import { printable } from './wrap.ts';

/** One entry as pino writes it. */
export interface LogRecord {
  readonly time: string;
  readonly level: string;
  readonly msg?: string;
  readonly [field: string]: unknown;
}

/**
 * `colour` and `terminal` show the time of day of a person's clock, `plain` the full date and UTC, because what is
 * kept in a file is read later and elsewhere.
 */
export type LogStyle = 'colour' | 'terminal' | 'plain';

/** One line: time, level, sentence, then the fields as key=value. */
export function renderLogRecord({ time, level, msg = '', ...fields }: LogRecord, style: LogStyle): string {
  const paint = style === 'colour' ? painted : plain;
  const when = style === 'plain' ? time : timeOfDay(new Date(time));
  const pairs = Object.entries(fields).map(([key, value]) => `${paint.dim(`${key}=`)}${renderValue(value)}`);
  return [paint.dim(when), paint.level(level), printable(msg), ...pairs].join(' ');
}

/** Bare when it reads well, else quoted JSON; multi-line text (a stack) and objects become JSON too. */
function renderValue(value: unknown): string {
  if (Array.isArray(value) && value.length > 0 && value.every(isBare)) return value.join(',');
  return printable(isBare(value) ? String(value) : JSON.stringify(value));
}

function isBare(value: unknown): value is string | number | boolean | null {
  if (typeof value === 'string') return /^[^\s"'=,\\{}[\]\p{C}]+$/u.test(value);
  return typeof value !== 'object';
}

function timeOfDay(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}

const plain = { dim: (text: string) => text, level: (level: string) => level.padEnd(5) };

const levelColours: Readonly<Record<string, number>> = { debug: 90, info: 32, warn: 33, error: 31 };

const painted = {
  dim: (text: string) => `\x1b[2m${text}\x1b[0m`,
  level: (level: string) => `\x1b[${levelColours[level] ?? 0}m${level.padEnd(5)}\x1b[0m`,
};
