/**
 * This host in its network as the daemon sees it, without the daemon and without changing anything:
 *
 *     registry ─> config, leases ─┐
 *     kernel ───> interface ──────┼─> own lease ─> membership ─> peers ─> desired ─┐
 *     subnet.env ─────────────────┘                                                ├─> steps
 *                 kernel ─> what is ours there ──────────────────────────> actual ─┘
 */

import { createBackend } from '../backend/backends.ts';
import { familiesOf } from '../backend/family.ts';
import type { NextHopsWish } from '../backend/next-hop-routes.ts';
import { WeftError } from '../base/errors.ts';
import { type ChosenInterface, chooseInterface } from '../host/external-interface.ts';
import { addressesOfEndpoints, guardedRegistry } from '../host/guarded.ts';
import type { InterfaceChoice } from '../host/interface-choice.ts';
import { readUnderlay } from '../host/read-underlay.ts';
import { underlayFrom } from '../host/underlay-from.ts';
import type { Below } from '../kernel/below.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { parseSubnetEnv, type SubnetEnv } from '../lease/subnet-env.ts';
import type { Registry } from '../registry/registry.ts';
import { readFileIfThere } from '../sys/files.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { joinedAs } from './joined-as.ts';
import { type MemberView, viewMember } from './member-view.ts';
import { type NetworkEntries, readEntries } from './network-entries.ts';

/** What of the daemon's options says how this host is in the network. */
export interface ViewOptions extends InterfaceChoice {
  /** See the daemon's options. */
  readonly registryEndpoints: readonly string[];
  /** Path of subnet.env. */
  readonly subnetFile: string;
  readonly routeNextHops: NextHopsWish;
}

export interface ViewTools {
  readonly registry: Registry;
  /** In the namespace of the devices. */
  readonly socket: NetlinkSocket;
  /** Where the devices that ours are made on are; undefined: in the same namespace. */
  readonly below?: Below | undefined;
  readonly signal: AbortSignal;
}

export interface NetworkView {
  readonly config: NetworkConfig;
  /** What is odd about the config and the registry's keys, as sentences. */
  readonly warnings: readonly string[];
  readonly entries: NetworkEntries['entries'];
  readonly chosen: ChosenInterface;
  /** As the subnet file tells it; nothing in it when there is none. */
  readonly subnetEnv: SubnetEnv;
  /** Undefined while this host is no member; `notMember` says why. */
  readonly member: MemberView | undefined;
  readonly notMember: WeftError | undefined;
}

/**
 * Needs no privilege, but what the registry asks for.
 * @throws WeftError what the registry says, `config-missing`, `config-invalid`, `backend-unknown`,
 * `backend-not-supported`, `interface-not-found`, `interface-without-address`; NetlinkError
 */
export async function readNetworkView(options: ViewOptions, tools: ViewTools): Promise<NetworkView> {
  const { registry, socket, below, signal } = tools;
  const subnetEnv = parseSubnetEnv(readFileIfThere(options.subnetFile) ?? '');
  const [network, underlay, ofRegistry] = await Promise.all([
    readEntries(registry, signal),
    readUnderlay(below?.socket ?? socket),
    addressesOfEndpoints(options.registryEndpoints),
  ]);
  const { config, entries } = network;
  const { backend, warnings } = createBackend(config);
  const chosen = await chooseInterface(options, underlay, familiesOf(config));
  const view = { config, entries, chosen, subnetEnv, warnings: [...network.warnings, ...warnings] };
  const around = underlayFrom(below !== undefined, chosen, underlay, config);
  try {
    const joined = await joinedAs(
      {
        ...{ config, backend, entries, chosen, subnetEnv, external: around.external },
        routeNextHops: options.routeNextHops,
      },
      tools,
    );
    const guarded = [...around.guarded, ...guardedRegistry(ofRegistry)];
    const member = await viewMember(joined, { entries, guarded, chosen }, tools);
    return { ...view, member, notMember: undefined };
  } catch (error) {
    if (!(error instanceof WeftError) || !notMemberCodes.includes(error.code)) throw error;
    return { ...view, member: undefined, notMember: error };
  }
}

const notMemberCodes = ['lease-missing', 'public-ip-missing', 'public-ip-not-here'];
