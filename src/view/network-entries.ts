/** Config and leases as the registry has them at present. */

import { WeftError } from '../base/errors.ts';
import { type NetworkConfig, parseNetworkConfig } from '../lease/network-config.ts';
import type { Registry } from '../registry/registry.ts';
import { configKey, leasesPrefix, readSubnetEntry, type SubnetEntry } from '../registry/subnet-entries.ts';

export interface NetworkEntries {
  readonly config: NetworkConfig;
  /** All keys that name a subnet, also those whose value says nothing sensible. */
  readonly entries: readonly SubnetEntry[];
  readonly warnings: readonly string[];
}

/** Chosen: longer than any registry that works takes, and short enough for somebody who waits. */
const patienceMs = 5000;

/** @throws WeftError `config-missing`, `config-invalid`, `registry-silent`, what the registry says; the signal's reason */
export async function readEntries(registry: Registry, signal: AbortSignal): Promise<NetworkEntries> {
  const patience = AbortSignal.timeout(patienceMs);
  const until = AbortSignal.any([signal, patience]);
  try {
    const [config, all] = await Promise.all([
      registry.get(configKey, { signal: until }),
      registry.list(leasesPrefix({ ipv6: true }), { signal: until }),
    ]);
    if (config === undefined) throw noConfig(registry);
    const parsed = parseNetworkConfig(config.value);
    const prefix = leasesPrefix({ ipv6: parsed.config.enableIpv6 });
    const warnings = [...parsed.warnings];
    const entries = all.entries
      .filter(({ key }) => key.startsWith(prefix))
      .flatMap(entry => readSubnetEntry(entry, (_, message) => warnings.push(message)) ?? []);
    return { config: parsed.config, entries, warnings };
  } catch (error) {
    signal.throwIfAborted();
    throw patience.aborted ? silent(registry, error) : error;
  }
}

function noConfig({ name }: Registry): WeftError {
  return new WeftError('config-missing', `${name} holds no network config`, {
    remedy: 'write one with `weft config put FILE`, or name another -registry or -etcd-prefix',
  });
}

function silent({ name }: Registry, cause: unknown): WeftError {
  return new WeftError('registry-silent', `${name} did not answer within ${patienceMs / 1000} s`, {
    cause: cause instanceof WeftError ? cause : undefined,
    remedy: 'see whether it runs there, and whether a firewall drops the way to it',
  });
}
