/**
 * Which is the largest packet that passes? The one that should is asked first. When it is lost three times while small ones
 * pass, the limit is found by halving:
 *
 *     64 ─────────────── 757 ──────────────── 1450       1450 lost ×3, 757 passes, 1103 passes, ...
 *     passes                                  vanishes    1422 passes, 1423 lost ×2: it is 1422
 */
export interface SizeSearch {
  /** What should pass. */
  readonly wantedBytes: number;
  /** What the last search has found. */
  readonly largestBytes: number | undefined;
  /** What this search knows: this passes, ... */
  readonly passingBytes: number;
  /** ... and this does not. When the two meet it is over. */
  readonly failingBytes: number;
  /** How often what is asked now has been lost. */
  readonly losses: number;
}

/** Chosen: by then it is not chance; of a small path each search loses some 12 packets. */
const lossesOfWanted = 3;
const lossesOfStep = 2;

/** @param smallestBytes what passes for sure, because smaller packets are not asked with */
export function beginSearch(
  wantedBytes: number,
  smallestBytes: number,
  largestBytes: number | undefined = undefined,
): SizeSearch {
  const passingBytes = Math.min(smallestBytes, wantedBytes);
  return { wantedBytes, largestBytes, passingBytes, failingBytes: wantedBytes + 1, losses: 0 };
}

export function isOver({ passingBytes, failingBytes }: SizeSearch): boolean {
  return failingBytes - passingBytes <= 1;
}

/** The size to ask with next, while it is not over. */
export function nextSize({ wantedBytes, largestBytes, passingBytes, failingBytes }: SizeSearch): number {
  if (failingBytes > wantedBytes) return wantedBytes;
  const isBetween = (size: number): boolean => size > passingBytes && size < failingBytes;
  // As a rule nothing has changed since the last search, and two questions will do.
  const known = largestBytes ?? 0;
  if (isBetween(known)) return known;
  if (passingBytes === known && isBetween(known + 1)) return known + 1;
  return (passingBytes + failingBytes) >>> 1;
}

export function withPassed(search: SizeSearch): SizeSearch {
  return settle({ ...search, passingBytes: nextSize(search), losses: 0 });
}

/** Lost while a small packet passed. */
export function withVanished(search: SizeSearch): SizeSearch {
  const losses = search.losses + 1;
  const size = nextSize(search);
  const enough = size === search.wantedBytes ? lossesOfWanted : lossesOfStep;
  return losses < enough ? { ...search, losses } : withTooLarge(search);
}

/** This host's own device does not take it: no need to ask again. */
export function withTooLarge(search: SizeSearch): SizeSearch {
  return settle({ ...search, failingBytes: nextSize(search), losses: 0 });
}

function settle(search: SizeSearch): SizeSearch {
  return isOver(search) ? { ...search, largestBytes: search.passingBytes } : search;
}
