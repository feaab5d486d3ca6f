import { type Log, silentLog } from '../base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { systemClock } from '../sys/clock.ts';
import { LateRegistry } from './late-registry.ts';
import type { RegistryOptions } from './registry-flags.ts';

/**
 * Opens the registry that `-registry` and the etcd flags name; only its engine is loaded. Whoever opens, closes.
 * @param make whether a directory is made that is not there
 * @throws WeftError `registry-unavailable`, or what the engine says of its options
 */
export async function openRegistry(options: RegistryOptions, log: Log, make = true): Promise<Registry> {
  const around = { clock: systemClock, random: Math.random, log };
  if (options.type === 'dir') {
    const { openDirectoryRegistry } = await import('../registry/directory.ts');
    return openDirectoryRegistry({ path: options.path, make, ...around });
  }
  const { openEtcdRegistry } = await import('../registry/etcd.ts');
  const { type, ...etcd } = options;
  return openEtcdRegistry({ ...etcd, ...around });
}

/** For those who only look: nothing is made, and a registry that cannot be opened says why to whoever asks it. */
export async function openToLook(options: RegistryOptions): Promise<Registry> {
  const open = () => openRegistry(options, silentLog, false);
  try {
    return await open();
  } catch {
    return new LateRegistry(nameOf(options), open);
  }
}

/** As the registry would call itself; an endpoint may hold a password. */
function nameOf(options: RegistryOptions): string {
  if (options.type === 'dir') return `dir:${options.path}`;
  const endpoints = options.endpoints.map(text => text.replace(/^([^:/]*:\/\/)?.*@/, '$1'));
  return `etcd ${endpoints.join(',')}${options.prefix}`;
}
