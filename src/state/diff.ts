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
  keyOf,
  type LinkName,
  type ObjectKey,
  type ObjectType,
} from './kernel-object.ts';

/** One change to the kernel, and the key of what it changes. */
export type Step = Change & { readonly key: ObjectKey };

export type Change =
  | { readonly verb: 'add'; readonly object: KernelObject }
  | { readonly verb: 'replace'; readonly object: KernelObject; readonly differences: readonly Difference[] }
  | { readonly verb: 'delete'; readonly object: KernelObject; readonly differences?: readonly Difference[] };

export function stepOf(change: Change): Step {
  return { ...change, key: keyOf(change.object) };
}

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
  const lost = (object: KernelObject): boolean => remade.size > 0 && remade.has(deviceOf(object) ?? '');
  const steps: Step[] = [...remade.values()];
  for (const [key, object] of desired) {
    const present = actual.get(key);
    if (present === undefined || lost(object)) steps.push({ verb: 'add', key, object });
    else steps.push(...change(key, object, present));
  }
  for (const [key, object] of actual) {
    if (!desired.has(key) && !lost(object)) steps.push({ verb: 'delete', key, object });
  }
  return ordered(steps, remade);
}

/** The steps for one object whose key is in both states. */
function change(key: ObjectKey, desired: KernelObject, actual: KernelObject): Step[] {
  const differences = compare(desired, actual);
  if (differences.length === 0) return [];
  if (!differences.some(difference => difference.fixed))
    return [{ verb: 'replace', key, object: desired, differences }];
  return [
    { verb: 'delete', key, object: actual, differences },
    { verb: 'add', key, object: desired },
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
      remade.set(deviceOf(object) ?? '', { verb: 'delete', key, object: present, differences });
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
  // There are a dozen ranks, and thousands of steps.
  const ranks = new Map<number, Step[]>();
  for (const step of steps) {
    const at = rank(step);
    const same = ranks.get(at);
    if (same === undefined) ranks.set(at, [step]);
    else same.push(step);
  }
  return [...ranks].sort(([one], [other]) => one - other).flatMap(([, same]) => same);
}
