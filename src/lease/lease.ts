import type { IpAddress } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';

/** Any JSON value, as a lease's BackendData may be. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What one host leases: a prefix per enabled family. At least one is there. */
export interface Subnet {
  readonly ipv4: Prefix | undefined;
  readonly ipv6: Prefix | undefined;
}

/** What a host publishes beside its subnet, so that peers can reach it. */
export interface LeaseAttrs {
  /** The host's underlay address; flannel writes "0.0.0.0" for none, here undefined. */
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
  /** Lower-case backend name; '' for udp and alloc, which flannel leaves out. */
  readonly backendType: string;
  readonly backendData: Json | undefined;
  readonly backendV6Data: Json | undefined;
}

/** One host's claim on a subnet, as the registry holds it. */
export interface Lease {
  readonly subnet: Subnet;
  readonly attrs: LeaseAttrs;
  /** True for a reservation: a key without TTL, which never expires. */
  readonly permanent: boolean;
}

/** A change in the set of peers' leases. */
export type LeaseEvent =
  | { readonly type: 'put'; readonly lease: Lease }
  | {
      readonly type: 'removed';
      readonly subnet: Subnet;
      /** The lease that took its place in the same instant, of the same host with another family more or less; its `put` follows. */
      readonly replacedBy?: Lease | undefined;
    };
