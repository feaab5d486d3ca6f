/** Where on a way packets begin to vanish: a search that asks for many sizes at once, for each of its rounds takes time. */

/** One size that passes, and a larger one that does not. */
export interface SizeGap {
  readonly passesBytes: number;
  readonly vanishesBytes: number;
}

/** Chosen: a gap of 1400 bytes is closed in three rounds, of packets that no queue is too short for. */
const mostAtOnce = 15;

/**
 * The gap with nothing in between.
 * @param passing which of these sizes pass
 */
export async function closeGap(
  gap: SizeGap,
  passing: (sizes: readonly number[]) => Promise<ReadonlySet<number>>,
): Promise<SizeGap> {
  let now = gap;
  for (;;) {
    const sizes = sizesWithin(now, mostAtOnce);
    if (sizes.length === 0) return now;
    now = narrowed(now, sizes, await passing(sizes));
  }
}

/** Up to `count` sizes within the gap, evenly apart; none when nothing is in between. */
export function sizesWithin({ passesBytes, vanishesBytes }: SizeGap, count: number): number[] {
  const parts = Math.min(count + 1, vanishesBytes - passesBytes);
  const width = (vanishesBytes - passesBytes) / parts;
  return Array.from({ length: parts - 1 }, (_, index) => passesBytes + Math.round(width * (index + 1)));
}

/** What passed is sure; what did not may have been lost by chance, and counts only above all that passed. */
function narrowed(
  { passesBytes, vanishesBytes }: SizeGap,
  sizes: readonly number[],
  passed: ReadonlySet<number>,
): SizeGap {
  const passes = Math.max(passesBytes, ...passed);
  const lost = sizes.filter(size => size > passes);
  return { passesBytes: passes, vanishesBytes: Math.min(vanishesBytes, ...lost) };
}
