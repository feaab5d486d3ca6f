import { WeftError } from '../base/errors.ts';
import { type NetworkConfig, parseNetworkConfig } from '../lease/network-config.ts';
import type { Registry, RegistryEvent } from './registry.ts';

/** What became of the network config. Told once for each text. */
export type ConfigEvent =
  | { readonly type: 'config'; readonly config: NetworkConfig; readonly warnings: readonly string[] }
  /** Removed, or written so that it cannot be used; whatever was in force before stays in force. */
  | { readonly type: 'unusable'; readonly error: WeftError };

/** Follows the network config, the present one first, until the signal aborts. */
export async function* watchConfig(
  registry: Registry,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<ConfigEvent, void, void> {
  let last: string | undefined | null = null;
  for await (const event of registry.watch(key, { signal })) {
    const text = textOf(event, key);
    if (text === null || text === last) continue;
    last = text;
    yield text === undefined ? removed(key, registry.name) : read(text);
  }
}

/** The value an event tells of exactly this key; undefined when it is gone, null when the event is about something else. */
function textOf(event: RegistryEvent, key: string): string | undefined | null {
  switch (event.type) {
    case 'snapshot':
      return event.entries.find(entry => entry.key === key)?.value;
    case 'put':
      return event.entry.key === key ? event.entry.value : null;
    case 'delete':
      return event.key === key ? undefined : null;
    case 'state':
      return null;
  }
}

function read(text: string): ConfigEvent {
  try {
    return { type: 'config', ...parseNetworkConfig(text) };
  } catch (error) {
    if (error instanceof WeftError) return { type: 'unusable', error };
    throw error;
  }
}

function removed(key: string, where: string): ConfigEvent {
  const remedy = 'write it again with `weft config put FILE`; hosts that start now wait for it';
  return {
    type: 'unusable',
    error: new WeftError('config-missing', `the key ${key} was removed from ${where}`, { remedy }),
  };
}
