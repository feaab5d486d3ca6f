/** What is said of a network's config. Nothing here does anything. */
import { WeftError } from '../base/errors.ts';
import { type NetworkConfig, parseNetworkConfig } from '../lease/network-config.ts';
import type { ConfigEvent } from '../registry/config-watch.ts';
import type { Registry, RegistryEntry } from '../registry/registry.ts';
import { configKey } from '../registry/subnet-manager.ts';
import type { Candidate, Refusal } from './arbitration.ts';
import { claimsOf } from './network-claims.ts';

export interface ArbitratedNetwork {
  readonly name: string;
  /** Path of the namespace of its devices; undefined: the underlay's. */
  readonly netns: string | undefined;
  /** Its own part of the registry. */
  readonly registry: Registry;
}

export interface JudgedAlone {
  readonly name: string;
  readonly verdict: ConfigEvent;
  readonly candidate: Candidate | undefined;
}

/** By its config alone, before any other network's. */
export function judgeAlone(
  { name, netns, registry }: ArbitratedNetwork,
  entry: RegistryEntry | undefined,
): JudgedAlone {
  try {
    if (entry === undefined) throw missing(name, registry);
    const { config, warnings } = parseNetworkConfig(entry.value);
    const candidate = { name, claims: claimsOf(config, netns), revision: entry.revision };
    return {
      name,
      verdict: { type: 'config', config, warnings: [...warnings, ...placeWarnings(config, netns)] },
      candidate,
    };
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    return { name, verdict: { type: 'unusable', error }, candidate: undefined };
  }
}

function placeWarnings({ backend }: NetworkConfig, netns: string | undefined): string[] {
  if (netns === undefined || backend.options['DirectRouting'] !== true) return [];
  return [`Backend.DirectRouting has no effect in ${netns}: the underlay's link is not there`];
}

function missing(name: string, registry: Registry): WeftError {
  return new WeftError(
    'config-missing',
    `there is no config of the network ${name}: the key ${configKey} is absent from ${registry.name}`,
    { remedy: `put one, with -etcd-prefix PREFIX/${name}: weft config put FILE` },
  );
}

export function refusalError(name: string, { what, by, byFormerConfig, remedy }: Refusal): WeftError {
  const why = byFormerConfig
    ? 'which still has it in force on this host'
    : 'whose config is the older of the two';
  return new WeftError(
    'network-refused',
    `the network ${name} is refused: its ${what} the network ${by}, ${why}`,
    { remedy: `${remedy}; ${name} goes on by itself then, and ${by} is not touched` },
  );
}

/** Equal for verdicts that say the same. */
export function verdictText(event: ConfigEvent): string {
  return event.type === 'config'
    ? JSON.stringify([event.config, event.warnings])
    : `${event.error.code} ${event.error.message}`;
}
