import { type KernelObject, type KernelState, type LinkName, stateOf } from '../state/kernel-object.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import type { LinkKind } from '../wire/link-kind.ts';
import { mainTable, type Route } from '../wire/route.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import { addresses } from './addresses.ts';
import type { Below } from './below.ts';
import { fdb } from './fdb.ts';
import { links } from './links.ts';
import type { MonitoredObject } from './monitor.ts';
import { neighbours } from './neighbours.ts';
import { nextHops } from './next-hops.ts';
import { routes } from './routes.ts';

/** What the kernel holds on some devices at one time. */
export interface Snapshot {
  readonly state: KernelState;
  /** All links of the namespace, by name. */
  readonly links: ReadonlyMap<LinkName, Link>;
  /** Those of the namespace below; undefined when that is the same. */
  readonly below?: ReadonlyMap<LinkName, Link> | undefined;
}

/**
 * Reads the devices named in `devices` with everything on them: addresses, routes of the main table, next hops,
 * neighbours and FDB entries; of those in `routed` only the routes. Devices that do not exist are simply absent from the
 * result.
 * @param below where the devices that ours are made on are; ours unless given
 * @throws NetlinkError
 */
export async function snapshot(
  socket: NetlinkSocket,
  devices: readonly LinkName[],
  routed: readonly LinkName[] = [],
  below?: Pick<Below, 'socket'> | undefined,
): Promise<Snapshot> {
  const all = await links.list(socket);
  const lower = below === undefined ? undefined : await links.list(below.socket);
  const names: DeviceNames = { of: namesOf(all), below: lower && namesOf(lower) };
  const wanted = all.filter(link => devices.includes(link.name));
  const found: MonitoredObject[] = wanted.map(value => ({ type: 'link', value }));
  for (const { index: dev } of wanted) for (const object of await objectsOn(socket, dev)) found.push(object);
  for (const { name, index: dev } of all) {
    if (!routed.includes(name) || devices.includes(name)) continue;
    for (const value of await routesOn(socket, dev)) found.push({ type: 'route', value });
  }
  return {
    // Of several routes to one destination the kernel takes the first: that is the one to know.
    state: stateOf(found.reverse().map(object => modelOf(object, names.of, names.below))),
    links: byName(all),
    below: lower && byName(lower),
  };
}

interface DeviceNames {
  readonly of: (index: IfIndex) => LinkName;
  readonly below: ((index: IfIndex) => LinkName) | undefined;
}

function byName(all: readonly Link[]): ReadonlyMap<LinkName, Link> {
  return new Map(all.map(link => [link.name, link]));
}

/** How to name a device by number; an index without a device is written `if7`. */
export function namesOf(all: readonly Link[]): (index: IfIndex) => LinkName {
  const names = new Map(all.map(link => [link.index, link.name]));
  return index => names.get(index) ?? `if${index}`;
}

/**
 * The kernel's object with devices by name.
 * @param nameBelow names those that ours are made on, in another namespace than ours
 */
export function modelOf(
  object: MonitoredObject,
  nameOf: (index: IfIndex) => LinkName,
  nameBelow?: ((index: IfIndex) => LinkName) | undefined,
): KernelObject {
  const named = (dev: IfIndex | undefined): LinkName | undefined =>
    dev === undefined ? undefined : nameOf(dev);
  switch (object.type) {
    case 'link':
      return { type: 'link', value: modelOfLink(object.value, named, nameBelow) };
    case 'route': {
      const { multipath, ...route } = object.value;
      const hops = multipath?.map(hop => ({ ...hop, dev: nameOf(hop.dev) }));
      return { type: 'route', value: { ...route, dev: named(route.dev), multipath: hops } };
    }
    case 'nexthop':
      return { type: 'nexthop', value: { ...object.value, dev: named(object.value.dev) } };
    case 'fdb':
      return {
        type: 'fdb',
        value: { ...object.value, dev: nameOf(object.value.dev), master: named(object.value.master) },
      };
    case 'address':
      return { type: 'address', value: { ...object.value, dev: nameOf(object.value.dev) } };
    case 'neighbour':
      return { type: 'neighbour', value: { ...object.value, dev: nameOf(object.value.dev) } };
  }
}

type Named = (dev: IfIndex | undefined) => LinkName | undefined;

function modelOfLink(
  link: Link,
  named: Named,
  nameBelow: ((index: IfIndex) => LinkName) | undefined,
): Extract<KernelObject, { type: 'link' }>['value'] {
  const { name, mac, mtuBytes, txQueueLength, up, alias } = link;
  const kind = kindOf(link, nameBelow ?? (index => named(index) ?? ''), nameBelow !== undefined);
  return { name, mac, mtuBytes, txQueueLength, up, alias, kind, master: named(link.master) };
}

/**
 * A VXLAN device whose UDP socket is in the wrong namespace carries nothing and cannot be mended: it is no VXLAN device
 * that anybody wishes for.
 */
function kindOf(
  { kind, parentNetnsId }: Link,
  nameLower: (index: IfIndex) => LinkName,
  isBelow: boolean,
): LinkKind<LinkName> {
  if (kind.kind !== 'vxlan') return kind;
  if ((parentNetnsId !== undefined) !== isBelow) return { kind: 'other', name: 'vxlan elsewhere' };
  return { ...kind, dev: kind.dev === undefined ? undefined : nameLower(kind.dev) };
}

async function objectsOn(socket: NetlinkSocket, dev: IfIndex): Promise<MonitoredObject[]> {
  const tag = <T extends MonitoredObject['type'], V>(
    type: T,
    values: readonly V[],
  ): Array<{ type: T; value: V }> => values.map(value => ({ type, value }));
  return [
    ...tag('address', await addresses.list(socket, { dev })),
    ...tag('fdb', await fdb.list(socket, { dev })),
    ...tag('neighbour', await neighbours.list(socket, { dev })),
    ...tag('nexthop', await nextHops.list(socket, { dev }).catch(absentOnOldKernels)),
    ...tag('route', await routesOn(socket, dev)),
  ];
}

async function routesOn(socket: NetlinkSocket, dev: IfIndex): Promise<Route[]> {
  return [
    ...(await routes.list(socket, { dev, table: mainTable, family: 4 })),
    ...(await routes.list(socket, { dev, table: mainTable, family: 6 })),
  ];
}

/** Next-hop objects came with Linux 5.3; before, the kernel does not know what is asked. */
function absentOnOldKernels(error: unknown): [] {
  if (error instanceof NetlinkError && ['EOPNOTSUPP', 'EINVAL'].includes(error.errnoName)) return [];
  throw error;
}
