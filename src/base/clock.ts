/** Time as an argument: decisions stay testable and a wall clock that is set back harms nothing. */
export interface Clock {
  /** Wall-clock milliseconds since 1970, for what is shown to people and written to registries. */
  wallMs(): number;
  /** Milliseconds that only go forward, for every duration and deadline. */
  monotonicMs(): number;
  /** Resolves after `milliseconds`. @throws the signal's reason when it aborts first */
  sleep(milliseconds: number, options: { signal: AbortSignal | undefined }): Promise<void>;
}
