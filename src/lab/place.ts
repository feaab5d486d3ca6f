import { WeftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { type LabPlan, type Place, placesOf } from './lab-plan.ts';

/**
 * The place that `text` names: `host2`, `host2/c1`, `switch`, or the namespace's own name.
 * @throws WeftError `lab-place`, with the nearest name and what there is
 */
export function findPlace(plan: LabPlan, text: string): Place {
  const places = placesOf(plan);
  const found = places.find(place => place.name === text || place.netns === text);
  if (found !== undefined) return found;
  const names = places.map(place => place.name);
  const near = nearest(text, names);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new WeftError('lab-place', `lab ${plan.shape.name} has no ${JSON.stringify(text)}${hint}`, {
    remedy: `name one of: ${list(names)}`,
  });
}

const listed = 12;

function list(names: readonly string[]): string {
  return names.length <= listed
    ? names.join(', ')
    : `${names.slice(0, listed - 1).join(', ')}, ... ${names.at(-1)}`;
}
