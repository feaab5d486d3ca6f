import { describeError, WeftError } from '../base/errors.ts';
import type { Family, IpAddress } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';
import { type BackendConfig, backendWarnings, parseBackend } from './backend-options.ts';
import {
  type FieldSpecs,
  type FieldValues,
  isJsonObject,
  type JsonObject,
  readFields,
  repeatedWarnings,
  showJson,
} from './fields.ts';
import { parseJsonText } from './json-text.ts';
import { deriveRange, type SubnetRange } from './subnet-range.ts';

/** The network that all hosts share, every default filled in. What belongs to a disabled family is undefined. */
export interface NetworkConfig {
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  /** Masquerade and forward rules by nftables instead of iptables. */
  readonly enableNftables: boolean;
  readonly network?: Prefix | undefined;
  readonly subnetLength?: number | undefined;
  /** Base of the first and of the last subnet that may be leased. */
  readonly subnetMin?: IpAddress | undefined;
  readonly subnetMax?: IpAddress | undefined;
  readonly ipv6Network?: Prefix | undefined;
  readonly ipv6SubnetLength?: number | undefined;
  readonly ipv6SubnetMin?: IpAddress | undefined;
  readonly ipv6SubnetMax?: IpAddress | undefined;
  readonly backend: BackendConfig;
}

/** The longest text taken for a configuration; etcd's own limit for a value is 1.5 MiB. */
export const maxConfigCharacters = 1 << 18;

const keys = {
  EnableIPv4: { type: 'boolean', default: true },
  EnableIPv6: { type: 'boolean', default: false },
  EnableNFTables: { type: 'boolean', default: false },
  Network: { type: 'prefix', family: 4 },
  SubnetLen: { type: 'integer', example: 24 },
  SubnetMin: { type: 'address', family: 4 },
  SubnetMax: { type: 'address', family: 4 },
  IPv6Network: { type: 'prefix', family: 6 },
  IPv6SubnetLen: { type: 'integer', example: 64 },
  IPv6SubnetMin: { type: 'address', family: 6 },
  IPv6SubnetMax: { type: 'address', family: 6 },
  Backend: { type: 'json' },
} as const satisfies FieldSpecs;

/**
 * Reads flannel's network configuration: its keys in any case, its defaults, derivations and checks; and, as
 * warnings, what flannel keeps silent about.
 * @throws WeftError `config-invalid`, naming the key, what was found and what was expected
 */
export function parseNetworkConfig(text: string): {
  readonly config: NetworkConfig;
  readonly warnings: readonly string[];
} {
  const { object, repeated } = parseObject(text);
  const { values, warnings } = readFields(object, keys, '');
  const backend = parseBackend(values.Backend);
  const ipv4 = values.EnableIPv4 ? deriveRange(4, wishOf(values, 4)) : undefined;
  const ipv6 = values.EnableIPv6 ? deriveRange(6, wishOf(values, 6)) : undefined;
  if (ipv4 === undefined && ipv6 === undefined) {
    throw new WeftError('config-invalid', 'EnableIPv4 and EnableIPv6 are both false, expected at least one', {
      remedy: 'set "EnableIPv4": true, or leave it out',
    });
  }
  const config: NetworkConfig = {
    enableIpv4: values.EnableIPv4,
    enableIpv6: values.EnableIPv6,
    enableNftables: values.EnableNFTables,
    network: ipv4?.network,
    subnetLength: ipv4?.length,
    subnetMin: ipv4?.min,
    subnetMax: ipv4?.max,
    ipv6Network: ipv6?.network,
    ipv6SubnetLength: ipv6?.length,
    ipv6SubnetMin: ipv6?.min,
    ipv6SubnetMax: ipv6?.max,
    backend,
  };
  return {
    config,
    warnings: [
      ...repeatedWarnings(repeated, ''),
      ...warnings,
      ...unusedWarnings(values),
      ...backendWarnings(backend),
    ],
  };
}

/** The range of one family; undefined when the family is off. */
export function rangeOf(config: NetworkConfig, family: Family): SubnetRange | undefined {
  const [network, length, min, max] =
    family === 4
      ? [config.network, config.subnetLength, config.subnetMin, config.subnetMax]
      : [config.ipv6Network, config.ipv6SubnetLength, config.ipv6SubnetMin, config.ipv6SubnetMax];
  if (network === undefined || length === undefined || min === undefined || max === undefined)
    return undefined;
  return { network, length, min, max };
}

function parseObject(text: string): { readonly object: JsonObject; readonly repeated: readonly string[] } {
  const remedy = 'write one JSON object, such as {"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}';
  if (text.length > maxConfigCharacters) {
    throw new WeftError(
      'config-invalid',
      `the network config has ${text.length} characters, expected at most ${maxConfigCharacters}`,
      { remedy },
    );
  }
  const { value, repeated } = parseText(text, remedy);
  if (isJsonObject(value)) return { object: value, repeated };
  throw new WeftError('config-invalid', `the network config is ${showJson(value)}, expected a JSON object`, {
    remedy,
  });
}

function parseText(text: string, remedy: string): ReturnType<typeof parseJsonText> {
  try {
    return parseJsonText(text);
  } catch (cause) {
    throw new WeftError('config-invalid', `the network config is ${describeError(cause)}`, { cause, remedy });
  }
}

type Values = FieldValues<typeof keys>;

function wishOf(values: Values, family: Family): Parameters<typeof deriveRange>[1] {
  return family === 4
    ? { network: values.Network, length: values.SubnetLen, min: values.SubnetMin, max: values.SubnetMax }
    : {
        network: values.IPv6Network,
        length: values.IPv6SubnetLen,
        min: values.IPv6SubnetMin,
        max: values.IPv6SubnetMax,
      };
}

/** A family's network without the family is most likely a forgotten switch. */
function unusedWarnings(values: Values): string[] {
  const warnings: string[] = [];
  if (!values.EnableIPv4 && values.Network !== undefined) {
    warnings.push(`Network ${values.Network} has no effect: EnableIPv4 is false`);
  }
  if (!values.EnableIPv6 && values.IPv6Network !== undefined) {
    warnings.push(`IPv6Network ${values.IPv6Network} has no effect: EnableIPv6 is false unless set to true`);
  }
  return warnings;
}
