import type { Family, IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import type { Prefix } from '../base/prefix.ts';

/** The way of a packet between containers on two hosts: every device and address that it meets. */
export interface PacketPath {
  readonly family: Family;
  readonly from: PathEnd;
  readonly to: PathEnd;
  readonly carriage: Carriage;
  /** Of the hosts' underlay devices. */
  readonly underlayMtuBytes: number;
  /** Of the containers. */
  readonly overlayMtuBytes: number;
}

/** How packets cross the underlay: in VXLAN, as they are, or in UDP by way of the daemons. */
export type Carriage =
  | { readonly type: 'vxlan'; readonly vni: number; readonly port: number }
  | { readonly type: 'direct' }
  | { readonly type: 'udp'; readonly port: number };

export interface PathEnd {
  readonly host: string;
  readonly container: string;
  readonly subnet: Prefix;
  readonly containerAddress: IpAddress;
  readonly bridge: string;
  readonly bridgeAddress: IpAddress;
  /** The VXLAN device or the TUN; undefined when packets go as they are. */
  readonly tunnel: Tunnel | undefined;
  readonly underlay: string;
  readonly underlayAddress: IpAddress;
}

export interface Tunnel {
  readonly device: string;
  readonly address: IpAddress;
  /** A TUN has none. */
  readonly mac: Mac | undefined;
}
