/** The steps to the desired state, of which none removes what is not ours. */
import { compare } from '../state/compare.ts';
import { diff, type Step } from '../state/diff.ts';
import type { KernelObject, KernelState, LinkName } from '../state/kernel-object.ts';

/** @param owns is this object, which no plan names, ours to remove? */
export function stepsBetween(
  desired: KernelState,
  actual: KernelState,
  owns: (object: KernelObject) => boolean,
): Step[] {
  return diff(desired, withoutFlushed(desired, actual)).filter(
    step => step.verb !== 'delete' || step.differences !== undefined || owns(step.object),
  );
}

/** With a device's new MAC all its neighbours go (net/core/neighbour.c neigh_changeaddr): they have to be made again. */
function withoutFlushed(desired: KernelState, actual: KernelState): KernelState {
  const renewed = new Set<LinkName>();
  for (const [key, wish] of desired) {
    const present = wish.type === 'link' ? actual.get(key) : undefined;
    if (wish.type !== 'link' || present === undefined) continue;
    if (compare(wish, present).some(({ field }) => field === 'mac')) renewed.add(wish.value.name);
  }
  if (renewed.size === 0) return actual;
  return new Map(
    [...actual].filter(([, { type, value }]) => !(type === 'neighbour' && renewed.has(value.dev))),
  );
}
