import { WeftError } from '../base/errors.ts';
import type {
  DeleteOptions,
  ListOptions,
  MoveOptions,
  PutOptions,
  PutResult,
  Registry,
  RegistryEntry,
  RegistryEvent,
  RegistrySnapshot,
  RequestOptions,
  WatchOptions,
} from './registry.ts';

/**
 * What lies below `<folder>/` of a registry, as a registry of its own: one of several networks that share a connection.
 * Closing it ends its own watches and leaves the other open.
 */
export function scopedRegistry(whole: Registry, folder: string): Registry {
  return new ScopedRegistry(whole, folder);
}

class ScopedRegistry implements Registry {
  readonly name: string;
  readonly #whole: Registry;
  readonly #start: string;
  readonly #closing = new AbortController();

  constructor(whole: Registry, folder: string) {
    this.name = `${whole.name}/${folder}`;
    this.#whole = whole;
    this.#start = `${folder}/`;
  }

  async get(key: string, options?: RequestOptions): Promise<RegistryEntry | undefined> {
    this.#assertOpen();
    const entry = await this.#whole.get(this.#start + key, options);
    return entry && this.#inside(entry);
  }

  async list(prefix: string, options: ListOptions = {}): Promise<RegistrySnapshot> {
    this.#assertOpen();
    const { onPage } = options;
    const inside = (entries: readonly RegistryEntry[]) => entries.map(entry => this.#inside(entry));
    const { entries, revision } = await this.#whole.list(this.#start + prefix, {
      ...options,
      onPage: onPage && (page => onPage({ ...page, entries: inside(page.entries) })),
    });
    return { entries: inside(entries), revision };
  }

  async put(key: string, value: string, options?: PutOptions): Promise<PutResult> {
    this.#assertOpen();
    return this.#result(await this.#whole.put(this.#start + key, value, options));
  }

  async delete(key: string, options?: DeleteOptions): Promise<boolean> {
    this.#assertOpen();
    return await this.#whole.delete(this.#start + key, options);
  }

  async move(from: string, to: string, value: string, options: MoveOptions): Promise<PutResult> {
    this.#assertOpen();
    return this.#result(await this.#whole.move(this.#start + from, this.#start + to, value, options));
  }

  async remaining(key: string, options?: RequestOptions): Promise<number | undefined> {
    this.#assertOpen();
    return await this.#whole.remaining(this.#start + key, options);
  }

  async *watch(prefix: string, options: WatchOptions): AsyncGenerator<RegistryEvent, void, void> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const witness = options.witness && this.#outside(options.witness);
    for await (const event of this.#whole.watch(this.#start + prefix, { ...options, witness, signal })) {
      yield this.#event(event);
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  #assertOpen(): void {
    if (!this.#closing.signal.aborted) return;
    throw new WeftError('registry-closed', `the registry ${this.name} was closed`);
  }

  #inside(entry: RegistryEntry): RegistryEntry {
    return { ...entry, key: entry.key.slice(this.#start.length) };
  }

  #outside(entry: RegistryEntry): RegistryEntry {
    return { ...entry, key: this.#start + entry.key };
  }

  #result(result: PutResult): PutResult {
    if (result.written || result.current === undefined) return result;
    return { ...result, current: this.#inside(result.current) };
  }

  #event(event: RegistryEvent): RegistryEvent {
    switch (event.type) {
      case 'snapshot':
        return { ...event, entries: event.entries.map(entry => this.#inside(entry)) };
      case 'put':
        return { ...event, entry: this.#inside(event.entry) };
      case 'delete':
        return {
          ...event,
          key: event.key.slice(this.#start.length),
          ...(event.movedTo === undefined ? {} : { movedTo: this.#inside(event.movedTo) }),
        };
      case 'state':
        return event;
    }
  }
}
