import type { NetworkConfig } from './network-config.ts';

/**
 * The effective configuration, defaults filled in, as indented JSON with flannel's keys: Weft and flannel read it
 * back as the same network. Backend options are shown as they are, pre-shared keys included.
 */
export function formatNetworkConfig(config: NetworkConfig): string {
  const ipv4 = {
    Network: config.network,
    SubnetLen: config.subnetLength,
    SubnetMin: config.subnetMin,
    SubnetMax: config.subnetMax,
  };
  const ipv6 = {
    IPv6Network: config.ipv6Network,
    IPv6SubnetLen: config.ipv6SubnetLength,
    IPv6SubnetMin: config.ipv6SubnetMin,
    IPv6SubnetMax: config.ipv6SubnetMax,
  };
  const whole = {
    EnableIPv4: config.enableIpv4,
    EnableIPv6: config.enableIpv6,
    EnableNFTables: config.enableNftables,
    ...ipv4,
    ...ipv6,
    Backend: { Type: config.backend.type, ...config.backend.options },
  };
  return JSON.stringify(whole, undefined, 2);
}
