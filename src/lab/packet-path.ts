import type { IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import type { Prefix } from '../base/prefix.ts';

/** The way of a packet between containers on two hosts: every device and address that it meets. */
export interface PacketPath {
  readonly from: PathEnd;
  readonly to: PathEnd;
  readonly vni: number;
  /** UDP destination port. */
  readonly port: number;
  /** Of the hosts' underlay devices. */
  readonly underlayMtuBytes: number;
  /** Of the VXLAN devices, the bridges and the containers. */
  readonly overlayMtuBytes: number;
}

export interface PathEnd {
  readonly host: string;
  readonly container: string;
  readonly subnet: Prefix;
  readonly containerAddress: IpAddress;
  readonly bridge: string;
  readonly bridgeAddress: IpAddress;
  /** The VXLAN device. */
  readonly vtep: string;
  readonly vtepAddress: IpAddress;
  readonly vtepMac: Mac;
  readonly underlay: string;
  readonly underlayAddress: IpAddress;
}
