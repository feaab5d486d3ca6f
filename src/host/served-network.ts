import type { IpAddress } from '../base/ip.ts';
import type { Lease } from '../lease/lease.ts';
import type { Membership } from './membership.ts';

/** A network that this host is in, as its daemon knows it at this moment; for those who answer questions about it. */
export interface ServedNetwork {
  readonly membership: Membership;
  /** Of the peers, in use or not. */
  readonly leases: readonly Lease[];
  /** Path of the network namespace of its devices; undefined: that of the underlay. */
  readonly netns: string | undefined;
}

/** All underlay addresses by which hosts of the network are known, ours among them. */
export function knowsHost({ membership, leases }: ServedNetwork, address: IpAddress): boolean {
  const { lease, external } = membership.host;
  const publishes = ({ attrs }: Lease): boolean => attrs.publicIp === address || attrs.publicIpv6 === address;
  return external.ipv4 === address || external.ipv6 === address || [lease, ...leases].some(publishes);
}
