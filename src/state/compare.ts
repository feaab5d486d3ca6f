/**
 * Does an observed object serve as the desired one? Only what the desired object names is compared: the kernel
 * tells more than anybody asks for.
 */
import type { Address } from '../wire/address.ts';
import type { LinkSpec } from '../wire/link.ts';
import type { LinkKind } from '../wire/link-kind.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import type { NextHop } from '../wire/next-hop.ts';
import { effectiveScope, type Route } from '../wire/route.ts';
import type { KernelObject, LinkName } from './kernel-object.ts';

/** One thing that differs, in the words of the object's fields. */
export interface Difference {
  readonly field: string;
  readonly desired: unknown;
  readonly actual: unknown;
  /** True when the object cannot be changed in this respect, only made anew. */
  readonly fixed: boolean;
}

/** What would have to change in `actual`; empty when it is right. Both must have one key. */
export function compare(desired: KernelObject, actual: KernelObject): Difference[] {
  switch (desired.type) {
    case 'link':
      return compareLinks(desired.value, actual.value as LinkSpec<LinkName>);
    case 'address':
      return compareAddresses(desired.value, actual.value as Address<LinkName>);
    case 'nexthop':
      return compareNextHops(desired.value, actual.value as NextHop<LinkName>);
    case 'fdb':
      return compareFdb(desired.value, actual.value as FdbEntry<LinkName>);
    case 'neighbour':
      return compareNeighbours(desired.value, actual.value as Neighbour<LinkName>);
    case 'route':
      return compareRoutes(desired.value, actual.value as Route<LinkName>);
  }
}

function compareLinks(desired: LinkSpec<LinkName>, actual: LinkSpec<LinkName>): Difference[] {
  return [
    ...named(desired, actual, ['mac', 'mtuBytes', 'txQueueLength', 'up', 'master'], false),
    ...(desired.kind === undefined ? [] : compareKinds(desired.kind, actual.kind)),
  ];
}

/** What a VXLAN device is by birth (drivers/net/vxlan/vxlan_core.c vxlan_nl2conf refuses to change it). */
const fixedVxlanFields = ['vni', 'port', 'gbp', 'l2miss'] as const;
/** The rest is what the attached program asked for. */
const fixedTunFields = ['mode', 'persistent'] as const;
/** What can change while it runs, and packets with it; old kernels refuse some, then it is made anew. */
const liveVxlanFields = ['dev', 'local', 'learning'] as const;

/** Can it be changed while the device runs, by a kernel that is new enough? */
export function isLiveVxlanField(field: string): boolean {
  return (liveVxlanFields as readonly string[]).includes(field);
}

function compareKinds(desired: LinkKind<LinkName>, actual: LinkKind<LinkName> | undefined): Difference[] {
  if (desired.kind !== actual?.kind) {
    return [{ field: 'kind', desired: desired.kind, actual: actual?.kind, fixed: true }];
  }
  if (desired.kind === 'tun' && actual.kind === 'tun') return named(desired, actual, fixedTunFields, true);
  if (desired.kind !== 'vxlan' || actual.kind !== 'vxlan') return [];
  return [
    ...named(desired, actual, fixedVxlanFields, true),
    ...exactly(desired, actual, ['group'], true),
    ...named(desired, actual, liveVxlanFields, false),
  ];
}

/** The part of a link that has to be set to close `differences`, and nothing else: some fields refuse a repetition. */
export function linkChange(
  desired: LinkSpec<LinkName>,
  differences: readonly Difference[],
): LinkSpec<LinkName> {
  const changed = new Set(differences.map(difference => difference.field));
  const plain = (['mac', 'mtuBytes', 'txQueueLength', 'up', 'master'] as const).filter(field =>
    changed.has(field),
  );
  const { kind } = desired;
  const live = liveVxlanFields.filter(field => changed.has(field));
  return {
    name: desired.name,
    ...Object.fromEntries(plain.map(field => [field, desired[field]])),
    ...(kind?.kind === 'vxlan' && live.length > 0
      ? {
          kind: {
            kind: 'vxlan',
            vni: kind.vni,
            ...Object.fromEntries(live.map(field => [field, kind[field]])),
          },
        }
      : {}),
  };
}

function compareAddresses(desired: Address<LinkName>, actual: Address<LinkName>): Difference[] {
  return named(desired, actual, ['peer', 'scope'], true);
}

function compareNextHops(desired: NextHop<LinkName>, actual: NextHop<LinkName>): Difference[] {
  return [...named(desired, actual, ['gateway', 'dev', 'onlink', 'blackhole', 'protocol'], false)];
}

function compareFdb(desired: FdbEntry<LinkName>, actual: FdbEntry<LinkName>): Difference[] {
  return named({ state: 'permanent', ...desired }, actual, ['dst', 'port', 'vni', 'state'], false);
}

function compareNeighbours(desired: Neighbour<LinkName>, actual: Neighbour<LinkName>): Difference[] {
  return named({ state: 'permanent', ...desired }, actual, ['lladdr', 'state'], false);
}

function compareRoutes(desired: Route<LinkName>, actual: Route<LinkName>): Difference[] {
  const [full, seen] = [fullRoute(desired), fullRoute(actual)];
  // A route by next-hop object is read back with that object's gateway and device as well.
  const way =
    desired.nextHopId === undefined
      ? (['gateway', 'dev', 'onlink', 'nextHopId'] as const)
      : (['nextHopId'] as const);
  const differences = [
    ...named(full, seen, ['type', 'protocol', 'scope'], false),
    // A source or an MTU that nobody asked for misleads packets as much as a wrong one.
    ...exactly(full, seen, ['preferredSource', 'mtuBytes']),
  ];
  if (way.length === 1) return [...differences, ...named(full, seen, way, false)];
  return [...differences, ...exactly(full, seen, way)];
}

/** With the defaults that an asker may leave out and the kernel tells. */
function fullRoute(route: Route<LinkName>): Route<LinkName> {
  return { type: 'unicast', onlink: false, protocol: 'boot', ...route, scope: effectiveScope(route) };
}

/** Differences in the fields that `desired` gives. */
function named<T extends object, K extends keyof T & string>(
  desired: T,
  actual: { readonly [Key in K]?: unknown },
  fields: readonly K[],
  fixed: boolean,
): Difference[] {
  return exactly(
    desired,
    actual,
    fields.filter(field => desired[field] !== undefined),
    fixed,
  );
}

/** Differences in all of `fields`, where absent differs from given. */
function exactly<T extends object, K extends keyof T & string>(
  desired: T,
  actual: { readonly [Key in K]?: unknown },
  fields: readonly K[],
  fixed = false,
): Difference[] {
  return fields
    .filter(field => desired[field] !== actual[field])
    .map(field => ({ field, desired: desired[field], actual: actual[field], fixed }));
}
