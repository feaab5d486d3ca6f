/** Whom to ask whether packets get there: the hosts of peers, family by family. */
import type { Backend } from '../backend/backend.ts';
import { publicIpOf, subnetOf } from '../backend/family.ts';
import type { Family, IpAddress } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily } from '../base/prefix.ts';
import { backendsOf, planPeer } from '../host/membership.ts';
import type { Lease } from '../lease/lease.ts';
import { keyOfSubnet } from '../registry/subnet-entries.ts';
import type { Step } from '../state/diff.ts';
import { deviceOf, type KernelObject, keyOf, type LinkName } from '../state/kernel-object.ts';
import type { MemberView } from '../view/member-view.ts';
import type { PeerNames, Scene } from './scene.ts';

/** A peer, by one family. */
export interface PeerTarget {
  readonly lease: Lease;
  /** Of its lease in the registry. */
  readonly key: string;
  readonly family: Family;
  readonly subnet: Prefix;
  /** The host on the underlay. */
  readonly address: IpAddress;
  /** By whose rules it is reached. */
  readonly backend: Backend;
  /** Where its packets leave: the tunnel's device, or that to the underlay. */
  readonly device: LinkName;
  /** Its address in the tunnel; undefined where there is none, and packets go to the host as they are. */
  readonly inner: IpAddress | undefined;
  /** Our own there, to which the answer goes. */
  readonly ownInner: IpAddress | undefined;
  /** Of the largest packet of a container. */
  readonly mtuBytes: number;
  /** What this host lacks for it, which other checks tell; '' for nothing. */
  readonly lack: string;
}

export interface PeerTargets {
  readonly targets: readonly PeerTarget[];
  /** How many there are, of which these are a sample. */
  readonly total: number;
}

/** Chosen: as many as a doctor has patience for, and enough to tell a broken network from a broken host. */
const mostTargets = 16;

/**
 * Of many peers some, evenly spread; those that the daemon hears nothing of first.
 * @throws why this host is no member
 */
export async function peerTargets(scene: Scene): Promise<PeerTargets> {
  const member = await scene.member();
  const all = targetsOf(member, scene.locks).filter(target => scene.concerns(namesOf(target.lease)));
  if (all.length <= mostTargets) return { targets: all, total: all.length };
  const silent = await silentPeers(scene);
  const [suspects, others] = [true, false].map(wanted =>
    all.filter(({ key }) => silent.has(key.replace(/^.*\//, '')) === wanted),
  );
  const chosen = [...spread(suspects ?? [], mostTargets / 2)];
  return {
    targets: [...chosen, ...spread(others ?? [], mostTargets - chosen.length)],
    total: all.length,
  };
}

/** `10.2.14.0/24 (192.0.2.12)`. */
export function describeTarget({ subnet, address }: PeerTarget): string {
  return `${subnet} (${address})`;
}

export function namesOf({ subnet, attrs }: Lease): PeerNames {
  return {
    address: attrs.publicIp ?? attrs.publicIpv6,
    subnets: [subnet.ipv4, subnet.ipv6].filter(prefix => prefix !== undefined),
  };
}

function targetsOf(member: MemberView, locks: readonly string[]): PeerTarget[] {
  const { peers, membership, steps } = member;
  return peers.used.flatMap(({ lease, routed, backend }) => {
    const host = backendsOf(membership).find(one => one.backend === backend)?.host ?? membership.host;
    const parts = planPeer(membership, lease).plan;
    return routed.flatMap((subnet): PeerTarget[] => {
      const family = prefixFamily(subnet);
      const address = publicIpOf(lease.attrs, family);
      if (address === undefined || backend.carrier?.type === 'commands') return [];
      const part = parts.find(one => one.type === 'reached' && one.routed === subnet);
      const objects = part?.type === 'reached' ? part.objects : [];
      const tunnel = backend.tunnelDevice(family, host.external);
      const route = objects.find(one => one.type === 'route' && one.value.dst === subnet);
      const device = (route && deviceOf(route)) ?? tunnel;
      const isTunnelled = device !== host.external.name;
      const own = subnetOf(host.lease.subnet, family);
      return [
        {
          ...{ lease, key: keyOfSubnet(lease.subnet), family, subnet, address, backend, device },
          inner: isTunnelled ? prefixBase(subnet) : undefined,
          ownInner: isTunnelled && own !== undefined ? prefixBase(own) : undefined,
          mtuBytes: backend.containerMtuBytes(host.external),
          lack: lackOf({ backend, device, objects, steps, locks }),
        },
      ];
    });
  });
}

const names: Readonly<Record<string, string>> = {
  link: 'device',
  nexthop: 'next hop',
  fdb: 'FDB entry',
};

function lackOf({
  backend,
  device,
  objects,
  steps,
  locks,
}: {
  readonly backend: Backend;
  readonly device: LinkName;
  readonly objects: readonly KernelObject[];
  readonly steps: readonly Step[];
  readonly locks: readonly string[];
}): string {
  const keys = new Set(objects.map(keyOf));
  const isOfDevice = ({ type, value }: KernelObject): boolean =>
    (type === 'link' && value.name === device) || (type === 'address' && value.dev === device);
  const wrong = steps.filter(({ object }) => keys.has(keyOf(object)) || isOfDevice(object));
  const types = [...new Set(wrong.map(({ object: { type } }) => names[type] ?? type))];
  if (backend.carrier !== undefined && !locks.includes(device)) types.push('daemon that carries its packets');
  return types.join(', ');
}

/** By the daemon's own probes: names such as `10.2.14.0-24`. */
async function silentPeers(scene: Scene): Promise<ReadonlySet<string>> {
  const live = await scene.live().catch(() => undefined);
  const silent = live?.network?.probes.filter(({ verdict }) => verdict === 'silent') ?? [];
  return new Set(silent.map(({ peer }) => peer));
}

function spread<T>(values: readonly T[], count: number): T[] {
  if (values.length <= count) return [...values];
  const every = values.length / count;
  return Array.from({ length: count }, (_, index) => values[Math.floor(index * every)] as T);
}
