/**
 * Who opens, closes: a Scope collects what was opened and closes it in reverse order, each thing once, even
 * when an earlier closing failed.
 */
export class Scope implements AsyncDisposable {
  readonly #closers: Array<{ readonly what: string; readonly close: () => void | Promise<void> }> = [];
  readonly #controller = new AbortController();
  #closing: Promise<void> | undefined;

  /** Aborted as the first act of {@link close}: give it to every timer, listener and request of the scope. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Registers `close`, to run before everything registered earlier. `what` names it in an error. */
  defer(what: string, close: () => void | Promise<void>): void {
    this.#closers.push({ what, close });
  }

  /** Registers something that has a `close()` and gives it back. */
  own<T extends { close(): void | Promise<void> }>(what: string, thing: T): T {
    this.defer(what, () => thing.close());
    return thing;
  }

  /**
   * Closing twice at once is closing once (so a closer must not wait for it); what was registered after an
   * earlier close is closed by the next.
   * @throws AggregateError with every failure, after everything was tried
   */
  async close(): Promise<void> {
    this.#controller.abort();
    this.#closing ??= this.#closeAll().finally(() => {
      this.#closing = undefined;
    });
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (let closer = this.#closers.pop(); closer !== undefined; closer = this.#closers.pop()) {
      try {
        await closer.close();
      } catch (cause) {
        failures.push(new Error(`closing ${closer.what} failed`, { cause }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'closing the scope failed');
  }
}
