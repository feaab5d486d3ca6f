/** Peers that exist in the registry alone, as many as a bench asks for: 10.0.0.0/8 in subnets of 256 addresses. */
import type { PeerFacts } from '../../test/support/weft-host.ts';

export const scaleNetwork = '10.0.0.0/8';
/** What is left for the host itself, behind all peers: 10.255.x.0/24. */
export const scaleConfig = JSON.stringify({
  Network: scaleNetwork,
  SubnetLen: 24,
  SubnetMin: '10.255.250.0',
  SubnetMax: '10.255.254.0',
  Backend: { Type: 'vxlan' },
});
/** 10.0.1.0 to 10.234.96.0: the first, 10.0.0.0, is the network's own. */
export const mostPeers = 60_000;

/** @param generation changes the MAC, for leases that have changed */
export function fakePeer(number: number, generation = 0): PeerFacts {
  const at = number + 1;
  const bytes = [generation & 0xff, at >> 16, (at >> 8) & 0xff, at & 0xff];
  return {
    subnet: `10.${at >> 8}.${at & 0xff}.0/24`,
    publicIp: `198.${18 + (at >> 16)}.${(at >> 8) & 0xff}.${at & 0xff}`,
    mac: `0a:58:${bytes.map(byte => byte.toString(16).padStart(2, '0')).join(':')}`,
  };
}
