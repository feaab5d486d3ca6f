/**
 * Does an observed object serve as the desired one? Only what the desired object names is compared: the kernel
 * tells more than anybody asks for.
 */
import type { Address } from '../wire/address.ts';
import type { LinkSpec } from '../wire/link.ts';
import type { LinkKind } from '../wire/link-kind.ts';
import type { FdbEntry, Neighbour, NeighbourState } from '../wire/neighbour.ts';
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
  const found: Difference[] = [];
  switch (desired.type) {
    case 'link':
      compareLinks(found, desired.value, actual.value as LinkSpec<LinkName>);
      break;
    case 'address':
      named(found, desired.value, actual.value as Address<LinkName>, ['peer', 'scope'], true);
      break;
    case 'nexthop':
      named(found, desired.value, actual.value as NextHop<LinkName>, nextHopFields, false);
      break;
    case 'fdb':
      named(found, desired.value, actual.value as FdbEntry<LinkName>, ['dst', 'port', 'vni'], false);
      comparePermanence(found, desired.value, actual.value as FdbEntry<LinkName>);
      break;
    case 'neighbour':
      named(found, desired.value, actual.value as Neighbour<LinkName>, ['lladdr'], false);
      comparePermanence(found, desired.value, actual.value as Neighbour<LinkName>);
      break;
    case 'route':
      compareRoutes(found, desired.value, actual.value as Route<LinkName>);
      break;
  }
  return found;
}

const nextHopFields = ['gateway', 'dev', 'onlink', 'blackhole', 'protocol'] as const;

function compareLinks(found: Difference[], desired: LinkSpec<LinkName>, actual: LinkSpec<LinkName>): void {
  named(found, desired, actual, ['mac', 'mtuBytes', 'txQueueLength', 'up', 'master'], false);
  if (desired.kind !== undefined) compareKinds(found, desired.kind, actual.kind);
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

function compareKinds(
  found: Difference[],
  desired: LinkKind<LinkName>,
  actual: LinkKind<LinkName> | undefined,
): void {
  if (desired.kind !== actual?.kind) differ(found, 'kind', desired.kind, actual?.kind, true);
  else if (desired.kind === 'tun' && actual.kind === 'tun')
    named(found, desired, actual, fixedTunFields, true);
  else if (desired.kind === 'vxlan' && actual.kind === 'vxlan') {
    named(found, desired, actual, fixedVxlanFields, true);
    differ(found, 'group', desired.group, actual.group, true);
    named(found, desired, actual, liveVxlanFields, false);
  }
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

function comparePermanence(
  found: Difference[],
  desired: { readonly state?: NeighbourState | undefined },
  actual: { readonly state?: NeighbourState | undefined },
): void {
  differ(found, 'state', desired.state ?? 'permanent', actual.state, false);
}

function compareRoutes(found: Difference[], desired: Route<LinkName>, actual: Route<LinkName>): void {
  // With the defaults that an asker may leave out and the kernel tells.
  differ(found, 'type', desired.type ?? 'unicast', actual.type ?? 'unicast', false);
  differ(found, 'protocol', desired.protocol ?? 'boot', actual.protocol ?? 'boot', false);
  differ(found, 'scope', effectiveScope(desired), effectiveScope(actual), false);
  // A source or an MTU that nobody asked for misleads packets as much as a wrong one.
  differ(found, 'preferredSource', desired.preferredSource, actual.preferredSource, false);
  differ(found, 'mtuBytes', desired.mtuBytes, actual.mtuBytes, false);
  // A route by next-hop object is read back with that object's gateway and device as well.
  if (desired.nextHopId === undefined) {
    differ(found, 'gateway', desired.gateway, actual.gateway, false);
    differ(found, 'dev', desired.dev, actual.dev, false);
    differ(found, 'onlink', desired.onlink ?? false, actual.onlink ?? false, false);
  }
  differ(found, 'nextHopId', desired.nextHopId, actual.nextHopId, false);
}

/** Differences in the fields that `desired` gives. */
function named<T extends object, K extends keyof T & string>(
  found: Difference[],
  desired: T,
  actual: { readonly [Key in K]?: unknown },
  fields: readonly K[],
  fixed: boolean,
): void {
  for (const field of fields) {
    if (desired[field] !== undefined) differ(found, field, desired[field], actual[field], fixed);
  }
}

/** Absent differs from given. Each of ten thousand peers is compared at each look: nothing is made where nothing differs. */
function differ(found: Difference[], field: string, desired: unknown, actual: unknown, fixed: boolean): void {
  if (desired !== actual) found.push({ field, desired, actual, fixed });
}
