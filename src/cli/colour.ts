import process from 'node:process';
import { styleText } from 'node:util';
import type { Paint } from '../lab/demo-text.ts';
import type { Environment } from './flag-environment.ts';

export interface ColourStream {
  readonly isTTY?: boolean | undefined;
}

/**
 * Whether what is written to a stream may be coloured. NO_COLOR (no-color.org) settles it, then FORCE_COLOR and
 * CLICOLOR_FORCE (bixense.com/clicolors), which colour pipes too and, where they are 0, nothing; else it is for
 * terminals that know colours, unless CLICOLOR is 0.
 */
export function wantsColour(stream: ColourStream, environment: Environment = process.env): boolean {
  const { NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE, CLICOLOR, TERM } = environment;
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined) return !off(FORCE_COLOR);
  if (CLICOLOR_FORCE && !off(CLICOLOR_FORCE)) return true;
  return stream.isTTY === true && TERM !== 'dumb' && !off(CLICOLOR);
}

/** What sets off headings, asides and verdicts on a stream; nothing where no colours are wanted. */
export function paintFor(stream: ColourStream, environment: Environment = process.env): Paint {
  return wantsColour(stream, environment) ? colours : plain;
}

const colours: Paint = {
  heading: text => styleText('bold', text, asGiven),
  quiet: text => styleText('dim', text, asGiven),
  good: text => styleText('green', text, asGiven),
  bad: text => styleText('red', text, asGiven),
};

const plain: Paint = {
  heading: text => text,
  quiet: text => text,
  good: text => text,
  bad: text => text,
};

const asGiven = { validateStream: false } as const;

function off(value: string | undefined): boolean {
  return value === '0' || value === 'false';
}
