import { pino } from 'pino';
import { describeError, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type LogRecord, type LogStyle, renderLogRecord } from './log-text.ts';

/** `auto` is text: what journald and a file's reader want too; colours only on a terminal. */
export type LogFormat = 'auto' | 'text' | 'json';

export interface LogOptions {
  readonly format: LogFormat;
  /** klog's -v: 0 logs info and above, 1 or more logs debug too. */
  readonly verbosity: number;
  /** Where the lines go. */
  readonly stream: LogStream;
  /** Include the stack traces of errors. */
  readonly stacks?: boolean | undefined;
  /** NO_COLOR (no-color.org) was set to something. */
  readonly noColour?: boolean | undefined;
}

export interface LogStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/**
 * A log, one line per entry, written before the call returns. Text is `TIME LEVEL sentence key=value ...`; JSON has
 * `time` (ISO 8601), `level` (its name), `msg` and the fields. Fields named like a secret are hidden.
 */
export function createLog({ format, verbosity, stream, stacks = false, noColour = false }: LogOptions): Log {
  const style: LogStyle = stream.isTTY && !noColour ? 'colour' : stream.isTTY ? 'terminal' : 'plain';
  const text = {
    write: (line: string) => stream.write(`${renderLogRecord(JSON.parse(line) as LogRecord, style)}\n`),
  };
  const describe = (value: unknown) => (value instanceof Error ? describeForLog(value, stacks) : value);
  const log = pino(
    {
      level: verbosity > 0 ? 'debug' : 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: level => ({ level }) },
      serializers: { err: describe, error: describe, cause: describe, reason: describe },
      redact: { paths: secretPaths, censor: '***' },
    },
    format === 'json' ? { write: line => void stream.write(line) } : text,
  );
  return Object.assign(log, { debugs: verbosity > 0 });
}

const secretNames = ['password', 'etcdPassword', 'secret', 'token', 'privateKey', 'psk'];

/** At the top of the fields and one level below. */
const secretPaths = secretNames.flatMap(name => [name, `*.${name}`]);

function describeForLog(error: Error, stacks: boolean): string {
  const code = error instanceof WeftError ? ` [${error.code}]` : '';
  return describeError(error) + code + (stacks && error.stack !== undefined ? `\n${error.stack}` : '');
}
