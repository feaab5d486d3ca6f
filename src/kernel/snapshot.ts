import { compare } from '../state/compare.ts';
import {
  type KernelObject,
  type KernelState,
  keyOf,
  type LinkName,
  type ObjectKey,
} from '../state/kernel-object.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import type { LinkKind } from '../wire/link-kind.ts';
import type { NetlinkMessage } from '../wire/netlink.ts';
import { mainTable } from '../wire/route.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import { addresses } from './addresses.ts';
import type { Below } from './below.ts';
import { fdb } from './fdb.ts';
import { links } from './links.ts';
import type { MonitoredObject } from './monitor.ts';
import { neighbours } from './neighbours.ts';
import { nextHops } from './next-hops.ts';
import { routes } from './routes.ts';
import type { ObjectVerbs } from './verbs.ts';

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
 * @param known what is expected to be there: an object that serves as the one known is given as that very object, so that
 * a large network is not in memory twice
 * @throws NetlinkError
 */
export async function snapshot(
  socket: NetlinkSocket,
  devices: readonly LinkName[],
  routed: readonly LinkName[] = [],
  below?: Pick<Below, 'socket'> | undefined,
  known: KernelState = new Map(),
): Promise<Snapshot> {
  const all = await links.list(socket);
  const lower = below === undefined ? undefined : await links.list(below.socket);
  const names: DeviceNames = { of: namesOf(all), below: lower && namesOf(lower) };
  const reading = new Reading(socket, names, known);
  for (const link of all) {
    const isOurs = devices.includes(link.name);
    if (isOurs) reading.take({ type: 'link', value: link });
    if (isOurs) await reading.takeObjects(link.index);
    if (isOurs || routed.includes(link.name)) await reading.takeRoutes(link.index);
  }
  return { state: reading.state, links: byName(all), below: lower && byName(lower) };
}

/** Objects as they come: each message is dealt with before the next is decoded, and what is as known leaves nothing behind. */
class Reading {
  readonly state = new Map<ObjectKey, KernelObject>();
  readonly #socket: NetlinkSocket;
  readonly #names: DeviceNames;
  readonly #known: KernelState;

  constructor(socket: NetlinkSocket, names: DeviceNames, known: KernelState) {
    this.#socket = socket;
    this.#names = names;
    this.#known = known;
  }

  async takeObjects(dev: IfIndex): Promise<void> {
    await this.#read('address', addresses, { dev });
    await this.#read('fdb', fdb, { dev });
    await this.#read('neighbour', neighbours, { dev });
    await this.#read('nexthop', nextHops, { dev }).catch(absentOnOldKernels);
  }

  async takeRoutes(dev: IfIndex): Promise<void> {
    for (const family of [4, 6] as const)
      await this.#read('route', routes, { dev, table: mainTable, family });
  }

  /** Gives the key when it is the first of its key: of several routes to one destination the kernel takes the first. */
  take(seen: MonitoredObject): ObjectKey | undefined {
    const object = modelOf(seen, this.#names.of, this.#names.below);
    const key = keyOf(object);
    if (this.state.has(key)) return undefined;
    const known = this.#known.get(key);
    this.state.set(key, known !== undefined && compare(known, object).length === 0 ? known : object);
    return key;
  }

  async #read<Value extends MonitoredObject['value'], Filter>(
    type: MonitoredObject['type'],
    verbs: ObjectVerbs<Value, Filter>,
    filter: Filter,
  ): Promise<void> {
    const taken: ObjectKey[] = [];
    const take = (message: NetlinkMessage): void => {
      const value = verbs.decode(message);
      const key = value && this.take({ type, value } as MonitoredObject);
      if (key !== undefined) taken.push(key);
    };
    await this.#socket.dump(verbs.dump(filter), take, () => {
      for (const key of taken.splice(0)) this.state.delete(key);
    });
  }
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

/** Next-hop objects came with Linux 5.3; before, the kernel does not know what is asked. */
function absentOnOldKernels(error: unknown): void {
  if (error instanceof NetlinkError && ['EOPNOTSUPP', 'EINVAL'].includes(error.errnoName)) return;
  throw error;
}
