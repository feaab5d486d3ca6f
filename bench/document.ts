/** Documents whose figures a bench writes: the quotation and the table that follow a mark are the bench's. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Puts a table in Markdown in the place of the one that follows the mark.
 * @param document below docs/
 * @param mark `<!-- throughput table -->`
 * @param origin one line about where the figures are from, quoted above them; none unless given
 * @throws Error without a mark
 */
export function writeTable(document: string, mark: string, table: readonly string[], origin?: string): void {
  const file = path.join(import.meta.dirname, '../docs', document);
  const [before, after] = readFileSync(file, 'utf8').split(mark);
  if (before === undefined || after === undefined) throw new Error(`expected ${mark} in ${file}`);
  const rest = after.replace(/^\n+(?:(?:>.*\n)+\n*)?(?:\|.*\n)*\n*/, '');
  const quotation = origin === undefined ? [] : [`> ${origin}`];
  const parts = [mark, ...quotation, table.join('\n')];
  writeFileSync(file, `${before}${parts.join('\n\n')}\n${rest === '' ? '' : `\n${rest}`}`);
}
