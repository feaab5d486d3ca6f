import { WeftError } from '../base/errors.ts';

/** One flag: its type, its default, and what help says of it. */
export type FlagSpec = FlagText &
  (
    | { readonly kind: 'string'; readonly default: string; readonly check?: FlagCheck | undefined }
    /** Repeatable; none by default. */
    | { readonly kind: 'strings' }
    | { readonly kind: 'int'; readonly default: number }
    | { readonly kind: 'bool'; readonly default: boolean }
  );

interface FlagText {
  /** One sentence without a full stop. */
  readonly help: string;
  /** What stands for the value in help: `PATH`. */
  readonly placeholder?: string | undefined;
  /** True when the value must never be printed or logged. */
  readonly secret?: boolean | undefined;
}

/** Says what a text should have been, or undefined when it is right. */
export type FlagCheck = (text: string) => string | undefined;

export type FlagValue = string | number | boolean | readonly string[];

/**
 * The value of one text, by the rules of Go's `flag` package; a `strings` flag gets the text itself.
 * @param origin what the text was given to, `-v` or `FLANNELD_V`, for the error
 * @throws WeftError `flag-invalid`; a secret's text is not in it
 */
export function parseFlagValue(
  spec: FlagSpec,
  origin: string,
  text: string,
): Exclude<FlagValue, readonly string[]> {
  const refuse = (expected: string): never => {
    const got = spec.secret ? '' : `, got ${JSON.stringify(text)}`;
    throw new WeftError('flag-invalid', `${origin}: expected ${expected}${got}`);
  };
  if (spec.kind === 'bool') return parseGoBool(text) ?? refuse('true or false');
  if (spec.kind === 'int') return parseGoInt(text) ?? refuse('an integer');
  const expected = spec.kind === 'string' ? spec.check?.(text) : undefined;
  return expected === undefined ? text : refuse(expected);
}

const goBools: ReadonlyMap<string, boolean> = new Map([
  ...['1', 't', 'T', 'true', 'TRUE', 'True'].map(text => [text, true] as const),
  ...['0', 'f', 'F', 'false', 'FALSE', 'False'].map(text => [text, false] as const),
]);

/** As Go's strconv.ParseBool; undefined for any other text. */
export function parseGoBool(text: string): boolean | undefined {
  return goBools.get(text);
}

/** Base prefix, then digits with single underscores between them (also right after the prefix), as in Go source. */
const goIntForms: ReadonlyArray<readonly [form: RegExp, base: number]> = [
  [/^0[xX]((?:_?[0-9a-fA-F])+)$/, 16],
  [/^0[bB]((?:_?[01])+)$/, 2],
  [/^0[oO]?((?:_?[0-7])+)$/, 8],
  [/^(0|[1-9](?:_?[0-9])*)$/, 10],
];

/**
 * As Go's strconv.ParseInt with base 0: `60`, `-1`, `+5`, `0x3c`, `0o74`, `074`, `0b1`, `1_000`. Undefined for any
 * other text, and for what a JavaScript number cannot hold exactly.
 */
export function parseGoInt(text: string): number | undefined {
  const digits = text.replace(/^[+-]/, '');
  for (const [form, base] of goIntForms) {
    const match = form.exec(digits)?.[1];
    if (match === undefined) continue;
    const value = Number.parseInt(match.replaceAll('_', ''), base);
    if (!Number.isSafeInteger(value)) return undefined;
    return text.startsWith('-') && value !== 0 ? -value : value;
  }
  return undefined;
}
