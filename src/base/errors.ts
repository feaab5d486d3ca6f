/**
 * The error that every part of Weft throws on purpose.
 *
 * The message says what was tried, on what, what was expected and what was found; `remedy` says what the
 * operator can do about it. `code` is stable: tests, scripts and documents may rely on it.
 */
export class WeftError extends Error {
  override readonly name: string = 'WeftError';
  readonly code: string;
  /** What to do about it, as one sentence or command; undefined when the message itself says it. */
  readonly remedy: string | undefined;

  constructor(code: string, message: string, options: { cause?: unknown; remedy?: string | undefined } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** True when `error` is a WeftError carrying `code`. */
export function hasCode(error: unknown, code: string): error is WeftError {
  return error instanceof WeftError && error.code === code;
}

/**
 * One line for a human: the message, then each cause's message where it adds something; for an AggregateError
 * what each of its errors says.
 */
export function describeError(error: unknown): string {
  return describe(error, maxDepth);
}

/** Enough for any real chain, and an end for one that leads back to itself. */
const maxDepth = 5;

function describe(error: unknown, depth: number): string {
  const parts: string[] = [];
  let current = error;
  for (let rest = depth; current !== undefined && rest > 0; rest--, current = causeOf(current)) {
    const text = messageOf(current, rest);
    if (text !== '' && !parts.some(part => part.includes(text))) parts.push(text);
  }
  return parts.length > 0 ? parts.join(': ') : nameOf(error);
}

function messageOf(error: unknown, depth: number): string {
  if (!(error instanceof AggregateError)) return error instanceof Error ? error.message : String(error);
  const errors = error.errors.map(one => describe(one, depth - 1)).join('; ');
  return [error.message, errors].filter(text => text !== '').join(': ');
}

/** For an error without any message, as some libraries throw. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
