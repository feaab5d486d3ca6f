/**
 * The model of the kernel: what `ip` and `bridge` can show and change, with devices by name, since a plan is made
 * before its devices have numbers.
 */
import { isMulticastMac, zeroMac } from '../base/mac.ts';
import { prefixFamily } from '../base/prefix.ts';
import type { Address } from '../wire/address.ts';
import type { LinkSpec } from '../wire/link.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import type { NextHop } from '../wire/next-hop.ts';
import { mainTable, type Route } from '../wire/route.ts';

/** A device's name in its network namespace. */
export type LinkName = string;

export type KernelObject =
  | { readonly type: 'link'; readonly value: LinkSpec<LinkName> }
  | { readonly type: 'address'; readonly value: Address<LinkName> }
  | { readonly type: 'nexthop'; readonly value: NextHop<LinkName> }
  | { readonly type: 'fdb'; readonly value: FdbEntry<LinkName> }
  | { readonly type: 'neighbour'; readonly value: Neighbour<LinkName> }
  | { readonly type: 'route'; readonly value: Route<LinkName> };

export type ObjectType = KernelObject['type'];

/** Identity of an object: of two with one key, the kernel lets one be in force. */
export type ObjectKey = string & { readonly __brand: 'ObjectKey' };

/** Desired or observed kernel state. */
export type KernelState = ReadonlyMap<ObjectKey, KernelObject>;

export function keyOf(object: KernelObject): ObjectKey {
  return identity(object).join(' ') as ObjectKey;
}

export function stateOf(objects: Iterable<KernelObject>): Map<ObjectKey, KernelObject> {
  const state = new Map<ObjectKey, KernelObject>();
  for (const object of objects) state.set(keyOf(object), object);
  return state;
}

/** The device that the object lives on, and dies with. */
export function deviceOf(object: KernelObject): LinkName | undefined {
  return object.type === 'link' ? object.value.name : object.value.dev;
}

/** Joined, which makes one text of the words: a template would keep them in a tree, a third larger, as long as the key lives. */
function identity(object: KernelObject): unknown[] {
  const { type, value } = object;
  switch (type) {
    case 'link':
      return [type, value.name];
    case 'address':
      return [type, value.dev, `${value.local}/${value.prefixLength}`];
    case 'nexthop':
      return [type, value.id];
    case 'fdb':
      return fdbIdentity(value);
    case 'neighbour':
      return [type, value.dev, value.dst];
    case 'route':
      return routeIdentity(value);
  }
}

function routeIdentity({
  table = mainTable,
  dst,
  metric = defaultMetric[prefixFamily(dst)],
  tos = 0,
}: Route<LinkName>): unknown[] {
  return ['route', table, dst, metric, tos];
}

/** What the kernel makes of a route without one (net/ipv6/route.c: IP6_RT_PRIO_USER). */
const defaultMetric = { 4: 0, 6: 1024 } as const;

/** A unicast MAC lies behind one VTEP; group MACs and the all-zero default may have many (vxlan_fdb_append). */
function fdbIdentity({ dev, lladdr, dst, vlan = 0, table = 'self' }: FdbEntry<LinkName>): unknown[] {
  const many = lladdr === zeroMac || isMulticastMac(lladdr);
  return many ? ['fdb', dev, table, lladdr, vlan, dst] : ['fdb', dev, table, lladdr, vlan];
}
