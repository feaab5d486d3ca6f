/** A member of the network: whom it shall reach, what its kernel shall have for that, and what it has. */

import type { CarriedPeer } from '../host/carried-peer.ts';
import type { ChosenInterface } from '../host/external-interface.ts';
import { backendsOf, devicesOf, type Membership, planHost, withoutUnused } from '../host/membership.ts';
import { type Guarded, PeerTable } from '../host/peer-table.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { judgeLease } from '../lease/judge.ts';
import type { Lease } from '../lease/lease.ts';
import type { SubnetEntry } from '../registry/subnet-entries.ts';
import type { Step } from '../state/diff.ts';
import { type KernelObject, type KernelState, type LinkName, stateOf } from '../state/kernel-object.ts';
import type { Link } from '../wire/link.ts';
import { unhidingSteps } from './hidden-routes.ts';
import type { Joined } from './joined-as.ts';
import { stepsBetween } from './kernel-steps.ts';
import type { ViewTools } from './network-view.ts';
import type { FoundLease } from './own-lease.ts';
import { namingSteps, type RenamedDevice, renamedDevices, withNamesBack } from './renamed-devices.ts';

export interface MemberView {
  /** With those former backends only that a peer still uses. */
  readonly membership: Membership;
  readonly found: FoundLease;
  /** What of the plan the daemon will choose otherwise: a MAC that nothing tells. */
  readonly hasRandomMac: boolean;
  readonly peers: PeersView;
  readonly desired: KernelState;
  /** What of the kernel is wished for, or ours to remove. */
  readonly actual: KernelState;
  /** From the one to the other; empty when all is as it shall be. */
  readonly steps: readonly Step[];
}

export interface PeersView {
  /** All that may be followed, whether something leads to them or not. */
  readonly leases: readonly Lease[];
  readonly used: readonly CarriedPeer[];
  readonly refused: readonly RefusedPeer[];
}

export interface RefusedPeer {
  readonly lease: Lease;
  /** Goes on from "lease 10.2.3.0/24 is left out: it". */
  readonly reason: string;
  /** The other family's part is in use all the same. */
  readonly partly: boolean;
}

/** @throws NetlinkError */
export async function viewMember(
  { found, hasRandomMac, ...joined }: Joined,
  {
    entries,
    guarded,
    chosen,
  }: {
    readonly entries: readonly SubnetEntry[];
    readonly guarded: readonly Guarded[];
    readonly chosen: ChosenInterface;
  },
  { socket, below }: Pick<ViewTools, 'socket' | 'below'>,
): Promise<MemberView> {
  const before: Membership = { ...joined, guarded, chosen };
  const others = entries.flatMap(({ key, lease }) =>
    lease === undefined || key === found.key ? [] : [lease],
  );
  const { membership, peers, objects } = planPeers(before, others);
  const desired = stateOf([...planHost(membership), ...objects]);
  const owns = (object: KernelObject): boolean =>
    backendsOf(before).some(({ backend, host }) => backend.owns(host, object));
  // In another namespace a device of that name is another device.
  const borrowed =
    below === undefined
      ? backendsOf(before).flatMap(({ backend, host }) => backend.borrows(host.external))
      : [];
  const { state, links, renamed } = await readKernel(desired, devicesOf(before), borrowed, { socket, below });
  const actual = new Map([...state].filter(([key, object]) => desired.has(key) || owns(object)));
  const between = await unhidingSteps(socket, links, stepsBetween(desired, actual, owns));
  const steps = [...namingSteps(renamed, actual), ...between];
  return { membership, found, hasRandomMac, peers, desired, actual, steps };
}

/** With the devices' own names. */
async function readKernel(
  desired: KernelState,
  devices: readonly LinkName[],
  borrowed: readonly LinkName[],
  { socket, below }: Pick<ViewTools, 'socket' | 'below'>,
): Promise<{
  readonly state: KernelState;
  readonly links: readonly Link[];
  readonly renamed: readonly RenamedDevice[];
}> {
  const seen = await snapshot(socket, devices, borrowed, below);
  const links = [...seen.links.values()];
  const renamed = renamedDevices(seen, desired, devices);
  if (renamed.length === 0) return { state: seen.state, links, renamed };
  const { state } = await snapshot(
    socket,
    [...devices, ...renamed.map(({ found }) => found)],
    borrowed,
    below,
  );
  return { state: withNamesBack(state, renamed), links, renamed };
}

/** What leads to the others, as the daemon makes it of a first look at the registry. */
export function planPeers(
  before: Membership,
  others: readonly Lease[],
): { readonly membership: Membership; readonly peers: PeersView; readonly objects: readonly KernelObject[] } {
  const { config, lease: own } = before.host;
  const judged = others.map(lease => ({ lease, verdict: judgeLease(config, own, lease) }));
  const leases = judged.filter(({ verdict }) => verdict === 'ok').map(({ lease }) => lease);
  const membership = withoutUnused(before, leases);
  const table = new PeerTable(membership, before.guarded);
  const { set, joined, refused } = table.replaceAll(leases);
  const unfit = judged.flatMap(({ lease, verdict }) =>
    verdict === 'ok' ? [] : [{ lease, reason: verdict, partly: false }],
  );
  return {
    membership,
    peers: { leases, used: joined, refused: [...unfit, ...refused] },
    objects: [...set.values()],
  };
}
