import type { Log } from '../base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { systemClock } from '../sys/clock.ts';
import type { RegistryOptions } from './registry-flags.ts';

/**
 * Opens the registry that `-registry` and the etcd flags name; only its engine is loaded. Whoever opens, closes.
 * @throws WeftError `registry-unavailable`, or what the engine says of its options
 */
export async function openRegistry(options: RegistryOptions, log: Log): Promise<Registry> {
  const around = { clock: systemClock, random: Math.random, log };
  if (options.type === 'dir') {
    const { openDirectoryRegistry } = await import('../registry/directory.ts');
    return openDirectoryRegistry({ path: options.path, ...around });
  }
  const { openEtcdRegistry } = await import('../registry/etcd.ts');
  const { type, ...etcd } = options;
  return openEtcdRegistry({ ...etcd, ...around });
}
