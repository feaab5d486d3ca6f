import type { IpAddress } from '../base/ip.ts';

/** How to choose the interface to the underlay: the first hit in the order of these fields. */
export interface InterfaceChoice {
  /** Names or addresses, in the order in which they are tried. */
  readonly iface: readonly string[];
  /** Matched anywhere in an interface's addresses, then in its name. */
  readonly ifaceRegex: readonly RegExp[];
  /** Take the interface that the kernel would send to this address over. */
  readonly ifaceCanReach: IpAddress | undefined;
  /** Address that peers shall use; without any choice above it also chooses the interface that holds it. */
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
}
