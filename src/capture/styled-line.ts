/** A line in parts of different weight, cut to a width. */

export type Weight = 'quiet' | 'plain' | 'strong' | 'bad';

export interface LinePart {
  readonly text: string;
  readonly weight: Weight;
  /** To be left out first. */
  readonly spare?: boolean | undefined;
}

/** Adds colours; the identity where there are none. */
export type Paint = (weight: Weight, text: string) => string;

const ellipsis = '…';

/**
 * The parts with single spaces between, at most `columns` wide: without those that can be spared, and if that is not
 * enough, cut, for which an ellipsis stands.
 */
export function renderLine(all: readonly LinePart[], columns: number, paint: Paint): string {
  const parts = widthOf(all) <= columns ? all : all.filter(({ spare }) => spare !== true);
  const width = widthOf(parts);
  let room = width > columns ? columns - ellipsis.length : columns;
  let line = '';
  for (const { text, weight } of parts) {
    const gap = line === '' ? '' : ' ';
    if (room <= gap.length) break;
    const kept = text.slice(0, room - gap.length);
    line += gap + paint(weight, kept);
    room -= gap.length + kept.length;
  }
  return width > columns ? line + ellipsis : line;
}

function widthOf(parts: readonly LinePart[]): number {
  return parts.reduce((sum, { text }) => sum + text.length + 1, -1);
}
