/** How this host stands in its network: from the registry and the kernel, or with the registry away from the kernel alone. */
import { networksOf } from '../backend/family.ts';
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';
import { locksOf, planHost } from '../host/membership.ts';
import type { Subnet } from '../lease/lease.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { type DeviceFacts, deviceFacts } from './device-facts.ts';
import type { PlanOptions } from './host-plan.ts';
import { localStatus } from './local-status.ts';
import type { MemberView } from './member-view.ts';
import { type NetworkView, readNetworkView, type ViewTools } from './network-view.ts';
import { type PeerStatus, peerStatuses } from './peer-status.ts';
import { remarksOn } from './remarks.ts';

export interface HostStatus {
  readonly host: HostFacts;
  readonly lease: LeaseFacts | undefined;
  readonly registry: RegistryFacts;
  /** Counts of kernel objects; undefined where nobody can tell what there shall be. */
  readonly kernel: KernelFacts | undefined;
  /** With the registry away those that the kernel leads to. */
  readonly peers: readonly PeerStatus[];
  readonly remarks: readonly string[];
  /** Names of the locks that a daemon of this network holds. */
  readonly locks: readonly string[];
}

export interface HostFacts {
  /** To the underlay; undefined while none fits, or with the registry away. */
  readonly interface: LinkName | undefined;
  readonly interfaceMtuBytes: number | undefined;
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
  readonly networks: readonly Prefix[];
  readonly subnet: Subnet | undefined;
  /** Of the containers' interfaces. */
  readonly mtuBytes: number | undefined;
  readonly backend: string | undefined;
  readonly devices: readonly DeviceFacts[];
}

export interface LeaseFacts {
  /** Below the network's prefix; undefined: the registry has none, and the daemon leases this subnet again. */
  readonly key: string | undefined;
  /** A reservation, which never expires. */
  readonly permanent: boolean;
}

export interface RegistryFacts {
  readonly name: string;
  readonly reachable: boolean;
  /** Why the status is told without it, or without all of it. */
  readonly problem: WeftError | undefined;
}

export interface KernelFacts {
  readonly objects: number;
  readonly missing: number;
  readonly differing: number;
  readonly leftOver: number;
}

/** @throws NetlinkError */
export async function readHostStatus(options: PlanOptions, tools: ViewTools): Promise<HostStatus> {
  try {
    return statusFrom(options, await readNetworkView(options, tools), tools);
  } catch (error) {
    if (!(error instanceof WeftError) || tools.signal.aborted) throw error;
    const reachable = /^(config|backend|interface)-/.test(error.code);
    return {
      ...(await localStatus(options, tools)),
      registry: { name: tools.registry.name, reachable, problem: error },
    };
  }
}

function statusFrom(options: PlanOptions, view: NetworkView, tools: ViewTools): HostStatus {
  const { chosen, config, member, notMember, warnings, subnetEnv } = view;
  const { external, publicIp, publicIpv6 } = chosen;
  const around = {
    ...{ interface: external.name, interfaceMtuBytes: external.mtuBytes, publicIp, publicIpv6 },
    networks: networksOf(config),
  };
  const registry = { name: tools.registry.name, reachable: true, problem: notMember };
  if (member === undefined) {
    const host = {
      ...around,
      subnet: subnetEnv.subnet,
      mtuBytes: undefined,
      backend: config.backend.type,
      devices: [],
    };
    return {
      ...{ host, registry, lease: undefined, kernel: undefined, peers: [] },
      remarks: warnings,
      locks: [],
    };
  }
  const { backend, host } = member.membership;
  return {
    host: {
      ...{ ...around, subnet: host.lease.subnet, backend: backend.type },
      ...{ mtuBytes: backend.containerMtuBytes(external), devices: devicesIn(member) },
    },
    lease: { key: member.found.key, permanent: host.lease.permanent },
    registry,
    kernel: countsOf(member),
    peers: peerStatuses(member),
    // What is said of each peer is said with the peer.
    remarks: [
      ...warnings,
      ...remarksOn(options, view, { ...member, peers: { ...member.peers, refused: [] } }),
    ],
    locks: locksOf(member.membership),
  };
}

function devicesIn({ membership, actual }: MemberView): DeviceFacts[] {
  return planHost(membership).flatMap(object =>
    object.type === 'link' ? [deviceFacts(object.value.name, actual)] : [],
  );
}

function countsOf({ desired, steps }: MemberView): KernelFacts {
  const of = (verb: string): number => steps.filter(step => step.verb === verb).length;
  return { objects: desired.size, missing: of('add'), differing: of('replace'), leftOver: of('delete') };
}

/** The same while no daemon runs, which alone carries the packets of the udp backend. */
export function withoutDaemon(status: HostStatus): HostStatus {
  const peers = status.peers.map((peer): PeerStatus => {
    if (peer.state !== 'carried' || peer.backend !== 'udp') return peer;
    return { ...peer, state: 'missing', reason: 'the daemon that carries its packets' };
  });
  return { ...status, peers };
}
