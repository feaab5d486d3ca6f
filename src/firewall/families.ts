import { WeftError } from '../base/errors.ts';
import type { FamilyRules, Ruleset } from '../traffic/ruleset.ts';

/**
 * Does the same for each family, all of them even when one fails, and gives all results.
 * @throws what the failing family threw, or the first when both failed alike; AggregateError when they failed otherwise
 */
export async function eachFamily<T>(
  { families }: Ruleset,
  act: (rules: FamilyRules) => Promise<readonly T[]>,
): Promise<T[]> {
  const results = await Promise.allSettled(families.map(act));
  const failures = results.flatMap(result =>
    result.status === 'rejected' ? [result.reason as unknown] : [],
  );
  if (failures.length > 0)
    throw failures.every(one => alike(one, failures[0])) ? failures[0] : both(failures);
  return results.flatMap(result => (result.status === 'fulfilled' ? result.value : []));
}

function alike(one: unknown, other: unknown): boolean {
  return one === other || (one instanceof WeftError && other instanceof WeftError && one.code === other.code);
}

function both(failures: readonly unknown[]): AggregateError {
  return new AggregateError(failures, 'both families failed');
}
