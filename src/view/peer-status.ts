/** Of each peer: shall something lead to it, and does it? */
import { publicIpOf, subnetOf } from '../backend/family.ts';
import { tryVtepData } from '../backend/vtep.ts';
import { type Family, type IpAddress, ipToBigInt } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import { type Prefix, prefixBase } from '../base/prefix.ts';
import type { CarriedPeer } from '../host/carried-peer.ts';
import { planPeer } from '../host/membership.ts';
import type { Lease } from '../lease/lease.ts';
import { formatSubnetKey } from '../lease/subnet-key.ts';
import type { Step } from '../state/diff.ts';
import { deviceOf, type KernelObject, keyOf, type LinkName, type ObjectKey } from '../state/kernel-object.ts';
import type { MemberView } from './member-view.ts';

/**
 * `programmed`: the kernel has all that leads there. `missing`, `differs`: it lacks something of it, or has it otherwise.
 * `carried`: it is reached by the daemon itself, whose table the kernel does not show. `refused`: nothing shall lead there.
 */
export type PeerState = 'programmed' | 'missing' | 'differs' | 'carried' | 'refused';

export interface PeerStatus {
  readonly state: PeerState;
  /** What is missing or differs, or why nothing shall lead there; '' when all is well. */
  readonly reason: string;
  /** flannel's name of the backend by which it is reached, or by its lease would be. */
  readonly backend: string;
  /** One for each family of its lease. */
  readonly families: readonly PeerFamilyStatus[];
  readonly objects: readonly ObjectStatus[];
}

export interface PeerFamilyStatus {
  readonly family: Family;
  readonly subnet: Prefix;
  /** Its address on the underlay. */
  readonly address: IpAddress | undefined;
  readonly vtepMac: Mac | undefined;
  /** The device that the kernel's route to it leads over; undefined where there is none. */
  readonly device: LinkName | undefined;
}

export interface ObjectStatus {
  readonly object: KernelObject;
  readonly state: 'programmed' | 'missing' | 'differs';
}

/** Those with which something is wrong first, then by their subnets. */
export function peerStatuses(member: MemberView): PeerStatus[] {
  const { peers, steps } = member;
  const changes = new Map(steps.map(step => [keyOf(step.object), step.verb]));
  const reasons = new Map(peers.refused.map(({ lease, reason }) => [nameOf(lease), reason]));
  const used = new Set(peers.used.map(({ lease }) => nameOf(lease)));
  const others = [...peers.refused.map(({ lease }) => lease), ...peers.leases];
  const unused = new Map(
    others.filter(lease => !used.has(nameOf(lease))).map(lease => [nameOf(lease), lease]),
  );
  return inOrder([
    ...peers.used.map(peer => usedStatus(member, peer, changes, reasons.get(nameOf(peer.lease)))),
    ...[...unused].map(([name, lease]) =>
      statusOf(lease, { state: 'refused', reason: reasons.get(name) ?? 'is led to by nothing', objects: [] }),
    ),
  ]);
}

function nameOf({ subnet }: Lease): string {
  return formatSubnetKey(subnet);
}

/** @param refusal why one of its families is not reached; undefined when all are */
function usedStatus(
  { membership, desired }: MemberView,
  { lease, routed, backend }: CarriedPeer,
  changes: ReadonlyMap<ObjectKey, Step['verb']>,
  refusal: string | undefined,
): PeerStatus {
  const parts = planPeer(membership, lease).plan.filter(part => part.type === 'reached');
  const objects = parts
    .filter(part => routed.includes(part.routed))
    .flatMap(part => part.objects)
    // The same object, so that of thousands there is one each.
    .map(object => objectStatus(desired.get(keyOf(object)) ?? object, changes));
  const reason = [reasonOf(objects), refusal].filter(Boolean).join('; it ');
  const state = stateOf(objects, backend.carrier !== undefined);
  return statusOf(lease, { state, reason, objects }, backend.type);
}

function objectStatus(object: KernelObject, changes: ReadonlyMap<ObjectKey, Step['verb']>): ObjectStatus {
  const verb = changes.get(keyOf(object));
  return { object, state: verb === undefined ? 'programmed' : verb === 'replace' ? 'differs' : 'missing' };
}

function stateOf(objects: readonly ObjectStatus[], isCarried: boolean): PeerState {
  if (objects.some(({ state }) => state === 'missing')) return 'missing';
  if (objects.some(({ state }) => state === 'differs')) return 'differs';
  return isCarried ? 'carried' : 'programmed';
}

const names = { link: 'device', address: 'address', nexthop: 'next hop', fdb: 'FDB entry' } as const;

/** `route, FDB entry`: what is not as it shall be. */
function reasonOf(objects: readonly ObjectStatus[]): string {
  const wrong = objects.filter(({ state }) => state !== 'programmed').map(({ object: { type } }) => type);
  return [...new Set(wrong)]
    .map(type => (type in names ? names[type as keyof typeof names] : type))
    .join(', ');
}

function statusOf(
  { subnet, attrs }: Lease,
  { objects, ...status }: Pick<PeerStatus, 'state' | 'reason' | 'objects'>,
  backend: string = attrs.backendType || 'udp or alloc',
): PeerStatus {
  const families = ([4, 6] as const).flatMap((family): PeerFamilyStatus[] => {
    const prefix = subnetOf(subnet, family);
    if (prefix === undefined) return [];
    const route = objects.find(({ object }) => object.type === 'route' && object.value.dst === prefix);
    return [
      {
        ...{ family, subnet: prefix, address: publicIpOf(attrs, family) },
        vtepMac: attrs.backendType === 'vxlan' ? tryVtepData(attrs, family)?.mac : undefined,
        device: route && deviceOf(route.object),
      },
    ];
  });
  return { ...status, backend, families, objects };
}

const order: readonly PeerState[] = ['missing', 'differs', 'refused', 'programmed', 'carried'];

/** By numbers: a collator would take longer to make than most commands have peers to sort. */
function inOrder(statuses: readonly PeerStatus[]): PeerStatus[] {
  return statuses
    .map(status => ({ status, rank: rankOf(status), place: placeOf(status) }))
    .sort((one, other) => one.rank - other.rank || (one.place < other.place ? -1 : 1))
    .map(({ status }) => status);
}

function rankOf({ state }: PeerStatus): number {
  return Math.min(order.indexOf(state), order.indexOf('programmed'));
}

/** IPv6 behind IPv4. */
function placeOf({ families: [first] }: PeerStatus): bigint {
  if (first === undefined) return 0n;
  const base = ipToBigInt(prefixBase(first.subnet));
  return first.family === 6 ? base + (1n << 128n) : base;
}
