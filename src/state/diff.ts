/**
 * From the state that should be and the state that is to ordered steps. The order keeps traffic flowing:
 *
 *     add      link -> address -> link up -> FDB entry -> neighbour -> next hop -> route
 *     delete   route -> next hop -> neighbour -> FDB entry -> address -> link,   all after the adding
 *
 * A route comes last and goes first: from the moment it exists the kernel wants the neighbour behind it. What
 * is replaced is replaced in place; only a link that cannot be changed is deleted first.
 */
import { compare, type Difference } from './compare.ts';
import {
  deviceOf,
  type KernelObject,
  type KernelState,
  type LinkName,
  type ObjectType,
} from './kernel-object.ts';

/** One change to the kernel. */
export type Step =
  | { readonly verb: 'add'; readonly object: KernelObject }
  | { readonly verb: 'replace'; readonly object: KernelObject; readonly differences: readonly Difference[] }
  | { readonly verb: 'delete'; readonly object: KernelObject; readonly differences?: readonly Difference[] };

const addOrder: Readonly<Record<ObjectType, number>> = {
  link: 0,
  address: 1,
  fdb: 2,
  neighbour: 3,
  nexthop: 4,
  route: 5,
};

/**
 * Steps that lead from `actual` to `desired`. `actual` holds only what is ours to delete: whatever it has that
 * `desired` lacks goes.
 */
export function diff(desired: KernelState, actual: KernelState): Step[] {
  const remade = remadeLinks(desired, actual);
  const lost = (object: KernelObject): boolean => remade.has(deviceOf(object) ?? '');
  const steps: Step[] = [...remade.values()];
  for (const [key, object] of desired) {
    const present = actual.get(key);
    if (present === undefined || lost(object)) steps.push({ verb: 'add', object });
    else steps.push(...change(object, present));
  }
  for (const [key, object] of actual) {
    if (!desired.has(key) && !lost(object)) steps.push({ verb: 'delete', object });
  }
  return ordered(steps, remade);
}

/** The steps for one object whose key is in both states. */
function change(desired: KernelObject, actual: KernelObject): Step[] {
  const differences = compare(desired, actual);
  if (differences.length === 0) return [];
  if (!differences.some(difference => difference.fixed))
    return [{ verb: 'replace', object: desired, differences }];
  return [
    { verb: 'delete', object: actual, differences },
    { verb: 'add', object: desired },
  ];
}

/** Links that must be deleted and made anew; everything on them dies with them. */
function remadeLinks(desired: KernelState, actual: KernelState): Map<LinkName, Step> {
  const remade = new Map<LinkName, Step>();
  for (const [key, object] of desired) {
    const present = object.type === 'link' ? actual.get(key) : undefined;
    if (present === undefined) continue;
    const differences = compare(object, present);
    if (differences.some(difference => difference.fixed)) {
      remade.set(deviceOf(object) ?? '', { verb: 'delete', object: present, differences });
    }
  }
  return remade;
}

function ordered(steps: readonly Step[], remade: ReadonlyMap<LinkName, Step>): Step[] {
  const first = new Set(remade.values());
  const rank = (step: Step): number => {
    if (first.has(step)) return -1;
    const place = addOrder[step.object.type];
    if (step.verb !== 'delete') return place;
    // An address that must be made anew (same key) goes before its successor comes.
    return step.differences === undefined ? 20 - place : place - 0.5;
  };
  return steps
    .map((step, position) => ({ step, position, rank: rank(step) }))
    .sort((one, other) => one.rank - other.rank || one.position - other.position)
    .map(({ step }) => step);
}
