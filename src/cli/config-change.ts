import type { NetworkConfig } from '../lease/network-config.ts';
import { formatNetworkConfig } from '../lease/network-config-text.ts';

/** One key of the network config that differs; undefined means that it is not there. */
export interface ConfigChange {
  /** As in the file: `SubnetLen`, `Backend.VNI`. */
  readonly key: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** What changes from one config to another, defaults filled in on both sides, so that only meaning counts. */
export function configChanges(from: NetworkConfig | undefined, to: NetworkConfig): ConfigChange[] {
  const old = from === undefined ? new Map<string, string>() : flatten(from);
  const next = flatten(to);
  return [...new Set([...next.keys(), ...old.keys()])]
    .map(key => ({ key, from: old.get(key), to: next.get(key) }))
    .filter(change => change.from !== change.to)
    .map(change => (secretKey.test(change.key) ? hide(change) : change));
}

/** `Network: 10.5.0.0/16 -> 10.6.0.0/16`, `Backend.VNI: 7 (new)`, `Backend.PSK: *** (gone)`. */
export function renderConfigChange({ key, from, to }: ConfigChange): string {
  if (from === undefined) return `${key}: ${to} (new)`;
  return to === undefined ? `${key}: ${from} (gone)` : `${key}: ${from} -> ${to}`;
}

/** Backend options that are keys to traffic: ipsec's PSK, tencent-vpc's AccessKeySecret. */
const secretKey = /psk|secret|password|privatekey/i;

function hide({ key, from, to }: ConfigChange): ConfigChange {
  return { key, from: from === undefined ? from : '***', to: to === undefined ? to : '***' };
}

function flatten(config: NetworkConfig): Map<string, string> {
  const { Backend, ...top } = JSON.parse(formatNetworkConfig(config)) as Record<string, unknown>;
  const options = Object.entries(Backend as object).map(
    ([name, value]) => [`Backend.${name}`, value] as const,
  );
  return new Map([...Object.entries(top), ...options].map(([key, value]) => [key, show(value)]));
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
