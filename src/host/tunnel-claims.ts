/** At which ports of the underlay a network's hosts send to each other. */
import type { Backend } from '../backend/backend.ts';
import { parseVxlanOptions } from '../backend/vxlan-options.ts';
import type { NetworkConfig } from '../lease/network-config.ts';

export type TunnelClaim =
  /** The port is shared with other VXLAN networks, if they have the same extensions. */
  | { readonly type: 'vxlan'; readonly port: number; readonly vni: number; readonly gbp: boolean }
  | { readonly type: 'udp'; readonly port: number };

export function tunnelsOf({ type, udpPorts }: Backend, config: NetworkConfig): TunnelClaim[] {
  if (type !== 'vxlan') return udpPorts.map(port => ({ type: 'udp', port }));
  const { port, vni, gbp } = parseVxlanOptions(config.backend.options).options;
  return [{ type: 'vxlan', port, vni, gbp }];
}
