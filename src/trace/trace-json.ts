import type { Trace } from './hop.ts';

/** Of the form below; grows by fields without another number, and by nothing else. See docs/trace.md. */
export const traceJsonVersion = 1;

export function traceJson(trace: Trace, live: object | undefined): string {
  return JSON.stringify({ version: traceJsonVersion, ...trace, live }, undefined, 2);
}
