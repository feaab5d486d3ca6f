import type { Family, IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import { type Prefix, prefixContains } from '../base/prefix.ts';
import type { Lease, LeaseAttrs } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { KernelObject, KernelState, LinkName } from '../state/kernel-object.ts';
import type { NextHopsWish } from './next-hop-routes.ts';

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

  /** What works beside the kernel's objects, in user space; undefined when the kernel does everything. */
  readonly carrier: Carrier | undefined;

  /** Devices of others on which objects of ours may lie: the external interface, for routes without a tunnel. */
  borrows(external: ExternalInterface): readonly LinkName[];

  /** Is this the lease of a host that these rules can reach: of this backend, with fitting options? */
  speaks(attrs: LeaseAttrs): boolean;

  /** The device over which a family's packets of the overlay come and go. */
  tunnelDevice(family: Family, external: ExternalInterface): LinkName;

  /** MTU of the containers' interfaces, for subnet.env. */
  containerMtuBytes(external: ExternalInterface): number;

  /** What of the options does not fit this interface, and is done otherwise: sentences for the operator. */
  oddities?(external: ExternalInterface): readonly string[];

  /** What this host publishes in its lease. @throws WeftError `public-ip-not-here` when peers could not use it */
  attrs(identity: Identity): LeaseAttrs;

  /** Objects that exist for this host alone: devices and their addresses. @throws WeftError `backend-data-invalid` */
  planHost(host: Host): KernelObject[];

  /** What leads to one peer, family by family: one that fails does not keep the other away. */
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
  /** The main table's routes that tell which addresses are on this interface's link, the longest first. */
  readonly routes: readonly UnderlayRoute[];
}

export interface UnderlayRoute {
  readonly dst: Prefix;
  /** True when the destination is reached without a gateway, over the external interface. */
  readonly onLink: boolean;
}

/** Does the kernel reach `address` over this interface without a gateway? */
export function isOnLink({ routes }: ExternalInterface, address: IpAddress): boolean {
  return routes.find(({ dst }) => prefixContains(dst, address))?.onLink ?? false;
}

/** This host in its network. */
export interface Host {
  readonly config: NetworkConfig;
  readonly external: ExternalInterface;
  readonly lease: Lease;
  /** Whether routes to peers may be by next-hop objects; undefined: this kernel has none. */
  readonly nextHops?: NextHopsWish | undefined;
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
  /** What the extension backend's PreStartupCommand printed; undefined when there is no such command. */
  readonly startupOutput?: string | undefined;
  randomMac(): Mac;
}

/** One part per family of the peer's that is used or refused; none at all for a backend that leads nowhere. */
export type PeerPlan = readonly PeerPart[];

export type PeerPart =
  /** `routed` leads to the peer, by these objects of the kernel or by the backend's carrier. */
  | { readonly type: 'reached'; readonly routed: Prefix; readonly objects: readonly KernelObject[] }
  /** Nothing leads there; `reason` goes on from "lease 10.2.3.0/24 is left out: it". */
  | { readonly type: 'refused'; readonly reason: string };

/** A plan that leads nowhere. */
export function refused(reason: string): PeerPlan {
  return [refusedPart(reason)];
}

export function refusedPart(reason: string): PeerPart {
  return { type: 'refused', reason };
}

/** The refusal of a peer that is reached by another backend than `ours`. */
export function refusedType(ours: string, { backendType }: LeaseAttrs): PeerPlan {
  return refused(`has the backend ${backendType || 'udp or alloc'}, ours is ${ours}`);
}

/** What a backend needs besides the kernel. */
export type Carrier =
  /** Packets go through user space: from `device` to UDP `port` of the peer that the longest prefix leads to. */
  | { readonly type: 'tunnel'; readonly device: LinkName; readonly port: number }
  /** The operator's commands are told of peers. */
  | { readonly type: 'commands'; readonly commands: ExtensionCommands };

/** Programs with their arguments, as the extension backend's options name them; undefined: not wanted. */
export interface ExtensionCommands {
  readonly preStartup: Command | undefined;
  readonly postStartup: Command | undefined;
  readonly subnetAdd: Command | undefined;
  readonly subnetRemove: Command | undefined;
  /** How long each may take. */
  readonly timeoutSeconds: number;
}

/** A program and its arguments, which no shell ever sees. */
export type Command = readonly [program: string, ...args: string[]];

/** Leases of udp and alloc: flannel writes no type into either, so that nothing tells them apart. */
export const untyped = {
  speaks: attrs => attrs.backendType === '',
  attrs: ({ publicIp, publicIpv6 }) => ({
    publicIp,
    publicIpv6,
    backendType: '',
    backendData: undefined,
    backendV6Data: undefined,
  }),
} as const satisfies Pick<Backend, 'speaks' | 'attrs'>;
