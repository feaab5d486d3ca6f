/** What the machines need of a logger; pino fits it. Fields first, then a sentence. */
export interface Log {
  /** False where nobody reads what is for debugging, so that none of it need be put together; not told: somebody may. */
  readonly debugs?: boolean | undefined;
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** A log that keeps nothing. */
export const silentLog: Log = { debugs: false, debug() {}, info() {}, warn() {}, error() {} };
