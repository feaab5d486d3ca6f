import process from 'node:process';
import { describeError, WeftError } from '../base/errors.ts';
import { printable, wrap } from './wrap.ts';

/** 0: done. 1: it failed. 2: it was asked wrongly, and nothing was done. */
export type ExitCode = 0 | 1 | 2;

const usageCodes: readonly string[] = ['flag-invalid', 'usage'];

export function exitCodeOf(error: unknown): ExitCode {
  return isUsageError(error) ? 2 : 1;
}

/** True when the command line was wrong. */
export function isUsageError(error: unknown): error is WeftError {
  return error instanceof WeftError && usageCodes.includes(error.code);
}

/**
 * What a person reads of an error: `weft: MESSAGE` and, below, `what to do: REMEDY`. A stack trace only on request:
 * what Weft throws on purpose explains itself.
 */
export function renderError(error: unknown, { stacks }: { stacks: boolean }): string {
  const expected = error instanceof WeftError;
  const message = `weft: ${expected ? '' : 'unexpected error: '}${describeError(error)}`;
  const remedy = expected
    ? error.remedy
    : 'please report this, with the stack trace that WEFT_DEBUG=1 in the environment adds';
  const lines = [wrap(printable(message), { hanging: 6 })];
  if (remedy !== undefined) {
    lines.push(wrap(printable(`what to do: ${remedy}`), { indent: 2, hanging: 4 }));
  }
  if (stacks) lines.push(stackOf(error));
  return lines.join('\n');
}

/** Prints an error to stderr and sets the exit code that fits it. */
export function reportError(error: unknown): void {
  process.stderr.write(`${renderError(error, { stacks: debugging() })}\n`);
  process.exitCode = exitCodeOf(error);
}

/** Prints `weft: warning: ...` to stderr. */
export function reportWarning(sentence: string): void {
  process.stderr.write(`${wrap(printable(`weft: warning: ${sentence}`), { hanging: 6 })}\n`);
}

/** Prints `weft: ...` to stderr: what is no warning, and good to know. */
export function reportNote(sentence: string): void {
  process.stderr.write(`${wrap(printable(`weft: ${sentence}`), { hanging: 6 })}\n`);
}

/** Prints a result to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Whether WEFT_DEBUG asks for stack traces. */
export function debugging(): boolean {
  const value = process.env['WEFT_DEBUG'];
  return value !== undefined && value !== '' && value !== '0';
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`;
  return (error.stack ?? error.message) + cause;
}
