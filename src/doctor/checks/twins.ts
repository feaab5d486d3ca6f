/** Does each host publish an address and a VTEP of its own? Cloned machines do not, nor do all of Vagrant's at 10.0.2.15. */
import { publicIpOf } from '../../backend/family.ts';
import { tryVtepData } from '../../backend/vtep.ts';
import { describeSubnet } from '../../lease/judge.ts';
import type { Lease } from '../../lease/lease.ts';
import { formatLeaseAttrs } from '../../lease/lease-attrs.ts';
import type { NetworkView } from '../../view/network-view.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok } from '../finding.ts';
import { askDoor } from '../peer-door.ts';
import { placeOf, sentences } from '../registry-place.ts';
import type { Scene } from '../scene.ts';

export const twins: Check = { name: 'twins', title: 'hosts told apart', look };

const mostFindings = 10;

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const { entries, member } = await scene.view();
  const found = twinsAmong(entries, member?.found.key);
  if (found.length === 0) return ok('every host publishes an address and a VTEP of its own');
  return await Promise.all(
    found
      .slice(0, mostFindings)
      .map(async twin => findingOf(scene, twin, await unusedOf(scene, twin, member))),
  );
}

export interface Twin {
  /** Which both publish: `the address 192.0.2.11`, `the VTEP MAC 0a:1b:2c:3d:4e:5f`. */
  readonly what: string;
  readonly kind: 'address' | 'mac';
  readonly one: Named;
  /** The later in key order, but never our own. */
  readonly other: Named;
}

interface Named {
  readonly key: string;
  readonly lease: Lease;
}

/** @param own key of this host's lease */
export function twinsAmong(entries: NetworkView['entries'], own: string | undefined): Twin[] {
  const leases = entries.flatMap(({ key, lease }) => (lease === undefined ? [] : [{ key, lease }]));
  const first = new Map<string, Named>();
  const found = new Map<string, Twin>();
  for (const named of [
    ...leases.filter(({ key }) => key === own),
    ...leases.filter(({ key }) => key !== own),
  ]) {
    for (const { what, kind } of identitiesOf(named.lease)) {
      const one = first.get(what);
      if (one === undefined) first.set(what, named);
      // Of two leases with the same address and MAC one word is enough.
      else if (one.key !== named.key && !found.has(named.key))
        found.set(named.key, { what, kind, one, other: named });
    }
  }
  return [...found.values()];
}

function identitiesOf({ attrs }: Lease): ReadonlyArray<Pick<Twin, 'what' | 'kind'>> {
  const isVxlan = attrs.backendType === 'vxlan';
  return ([4, 6] as const).flatMap(family => {
    const address = publicIpOf(attrs, family);
    const mac = isVxlan ? tryVtepData(attrs, family)?.mac : undefined;
    return [
      ...(address === undefined ? [] : [{ kind: 'address', what: `the address ${address}` } as const]),
      ...(mac === undefined ? [] : [{ kind: 'mac', what: `the VTEP MAC ${mac}` } as const]),
    ];
  });
}

/** Of the two the one that no host says it has; undefined when both are in use. */
async function unusedOf(
  scene: Scene,
  { one, other }: Twin,
  member: NetworkView['member'],
): Promise<Named | undefined> {
  const both = [one, other];
  const claims = await Promise.all(
    both.map(named => (named.key === member?.found.key ? true : isClaimed(scene, named.lease))),
  );
  const unclaimed = both.filter((_, index) => claims[index] === false);
  if (unclaimed.length < 2) return unclaimed[0];
  // A host that lives renews its lease.
  const { registry, signal } = scene;
  const left = await Promise.all(both.map(({ key }) => registry.remaining(key, { signal })));
  return both[(left[0] ?? Number.POSITIVE_INFINITY) < (left[1] ?? Number.POSITIVE_INFINITY) ? 0 : 1];
}

/** Does a daemon at the published address say that this is its subnet? */
async function isClaimed(scene: Scene, { attrs, subnet }: Lease): Promise<boolean> {
  const address = attrs.publicIp ?? attrs.publicIpv6;
  const door = address === undefined ? undefined : await askDoor(address, scene);
  const claimed = door?.kind === 'hello' ? (door.hello.member?.subnets ?? []) : [];
  return [subnet.ipv4, subnet.ipv6].some(prefix => prefix !== undefined && claimed.includes(prefix));
}

function findingOf(
  { registry: { name } }: Scene,
  { what, kind, one, other }: Twin,
  unused: Named | undefined,
): Finding {
  const place = placeOf(name);
  const subnets = [one, other].map(({ lease }) => describeSubnet(lease.subnet));
  const cure =
    kind === 'address'
      ? 'if two hosts publish it, as when all have taken the interface of their hypervisor, start their daemons with the -iface by which they reach each other'
      : 'on a host that was cloned: stop the daemon, `ip link delete` the device, delete the lease, and start the daemon';
  const removal =
    unused === undefined
      ? ''
      : `the command deletes the lease of ${describeSubnet(unused.lease.subnet)}, which no daemon claims`;
  return fail(`two leases publish ${what}: ${subnets.join(' and ')}`, {
    evidence: [one, other].map(
      ({ key, lease }) => `${place.readCommand(key)}: ${formatLeaseAttrs(lease.attrs)}`,
    ),
    remedy: {
      commands: unused === undefined ? [] : [place.deleteCommand(unused.key)],
      text: sentences(removal, cure, place.note),
    },
    peer: subnets[1],
  });
}
