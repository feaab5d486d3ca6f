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

/** One line for a human: the message, then each cause's message where it adds something. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current !== undefined && parts.length < 5; current = causeOf(current)) {
    const text = current instanceof Error ? current.message : String(current);
    if (!parts.some(part => part.includes(text))) parts.push(text);
  }
  return parts.join(': ');
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
