import { type NetworkConfig, parseNetworkConfig } from '../lease/network-config.ts';
import type { Registry } from '../registry/registry.ts';

/** The configs of networks; one without a config that makes sense takes nothing here. @throws what a registry says */
export async function configsOf(
  registries: readonly Registry[],
  signal: AbortSignal,
): Promise<NetworkConfig[]> {
  const configs = await Promise.all(registries.map(registry => configOf(registry, signal)));
  return configs.flat();
}

async function configOf(registry: Registry, signal: AbortSignal): Promise<NetworkConfig[]> {
  const entry = await registry.get('config', { signal });
  try {
    return entry === undefined ? [] : [parseNetworkConfig(entry.value).config];
  } catch {
    return [];
  }
}
