import type { Family, IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import type { Lease, LeaseAttrs } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { KernelObject, KernelState, LinkName } from '../state/kernel-object.ts';

/**
 * A way to carry packets between hosts, as a pure planner: it says which kernel objects shall exist, and never
 * touches a kernel. It is asked one peer at a time, so that one lease event costs one peer's work.
 */
export interface Backend {
  /** flannel's name for it: `vxlan`, `host-gw`, ... */
  readonly type: string;

  /** Devices that are ours by name. */
  readonly devices: readonly LinkName[];

  /** UDP ports at which peers send to us; none for backends without a tunnel. */
  readonly udpPorts: readonly number[];

  /** The device over which a family's packets of the overlay come and go. */
  tunnelDevice(family: Family, external: ExternalInterface): LinkName;

  /** MTU of the containers' interfaces, for subnet.env. */
  containerMtuBytes(external: ExternalInterface): number;

  /** What this host publishes in its lease. */
  attrs(identity: Identity): LeaseAttrs;

  /** Objects that exist for this host alone: devices and their addresses. @throws WeftError `backend-data-invalid` */
  planHost(host: Host): KernelObject[];

  /** Objects that lead to one peer, or why there are none. */
  planPeer(host: Host, peer: Lease): PeerPlan;

  /** Is this object, seen in the kernel on one of our devices, ours to remove when no plan names it? */
  owns(host: Host, object: KernelObject): boolean;
}

/** The interface to the underlay, over which the hosts reach each other. */
export interface ExternalInterface {
  readonly name: LinkName;
  readonly mtuBytes: number;
  /** The addresses chosen on it; undefined for a family that is off. */
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
}

/** This host in its network. */
export interface Host {
  readonly config: NetworkConfig;
  readonly external: ExternalInterface;
  readonly lease: Lease;
}

/** What a host's published attributes are made of. */
export interface Identity {
  readonly external: ExternalInterface;
  /** Underlay addresses that peers shall use; usually the external interface's. */
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
  /** Our lease from an earlier run, whose identity is kept. */
  readonly existing: Lease | undefined;
  /** The kernel as found, for devices that another run left. */
  readonly observed: KernelState;
  randomMac(): Mac;
}

export type PeerPlan =
  | { readonly type: 'objects'; readonly objects: readonly KernelObject[] }
  /** Nothing can lead there; `reason` goes on from "lease 10.2.3.0/24 is left out: it". */
  | { readonly type: 'refused'; readonly reason: string };
