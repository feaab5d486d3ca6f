import type { Registry, RegistryEvent, WatchOptions } from '../registry/registry.ts';

/**
 * Stands for a registry that could not be opened, where all that needs none shall go on: whoever asks it is told why, unless
 * it can be opened by then.
 */
export class LateRegistry implements Registry {
  readonly name: string;
  readonly #open: () => Promise<Registry>;
  #opening: Promise<Registry> | undefined;

  constructor(name: string, open: () => Promise<Registry>) {
    this.name = name;
    this.#open = open;
  }

  get: Registry['get'] = async (...args) => (await this.#opened()).get(...args);
  list: Registry['list'] = async (...args) => (await this.#opened()).list(...args);
  put: Registry['put'] = async (...args) => (await this.#opened()).put(...args);
  delete: Registry['delete'] = async (...args) => (await this.#opened()).delete(...args);
  move: Registry['move'] = async (...args) => (await this.#opened()).move(...args);
  remaining: Registry['remaining'] = async (...args) => (await this.#opened()).remaining(...args);

  async *watch(prefix: string, options: WatchOptions): AsyncIterable<RegistryEvent> {
    yield* (await this.#opened()).watch(prefix, options);
  }

  async close(): Promise<void> {
    await (await this.#opening?.catch(() => undefined))?.close();
  }

  /** All who ask at once share one attempt. */
  async #opened(): Promise<Registry> {
    this.#opening ??= this.#open();
    try {
      return await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
  }
}
