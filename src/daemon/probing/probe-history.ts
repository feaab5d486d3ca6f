import type { ProbeVerdict } from '../../control/probe-facts.ts';

/**
 * How a peer's last ten probes ended, the newest in the lowest bit: 1 is lost. The highest 1 is none of them, it says how
 * many there have been.
 */
export type ProbeHistory = number;

export const noProbes: ProbeHistory = 1;

const most = 10;

export function withAnswer(history: ProbeHistory): ProbeHistory {
  return shift(history, 0);
}

export function withLoss(history: ProbeHistory): ProbeHistory {
  return shift(history, 1);
}

/** `silent`: the last two were lost; `lossy`: any of the last ten; `unprobed`: there has been none. */
export function verdictOf(history: ProbeHistory): ProbeVerdict {
  if (history === noProbes) return 'unprobed';
  if (countOf(history) >= 2 && (history & 3) === 3) return 'silent';
  return lossesOf(history) > 0 ? 'lossy' : 'answers';
}

/** 0 to 1; undefined while there has been none. */
export function lossRatioOf(history: ProbeHistory): number | undefined {
  const count = countOf(history);
  return count === 0 ? undefined : lossesOf(history) / count;
}

function shift(history: ProbeHistory, lost: 0 | 1): ProbeHistory {
  const longer = (history << 1) | lost;
  return countOf(longer) <= most ? longer : (longer & ((1 << most) - 1)) | (1 << most);
}

function countOf(history: ProbeHistory): number {
  return 31 - Math.clz32(history);
}

function lossesOf(history: ProbeHistory): number {
  let rest = history & ~(1 << countOf(history));
  let losses = 0;
  for (; rest !== 0; rest &= rest - 1) losses++;
  return losses;
}
