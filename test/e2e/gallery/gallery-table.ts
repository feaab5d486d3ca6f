/** The gallery's results in docs/doctor.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

export interface Exhibit {
  /** The fault's. */
  readonly name: string;
  /** The check that found it. */
  readonly check: string;
  readonly verdict: 'warn' | 'fail';
  /** `commands`: as printed. `words`: the remedy has none, and the test did what it says. */
  readonly mendedBy: 'commands' | 'words';
  /** What the check took. */
  readonly milliseconds: number;
}

export const doctorDocument = path.join(import.meta.dirname, '../../../docs/doctor.md');

/** Does nothing unless WEFT_WRITE_GALLERY is set. Reads and writes in one go, as several files may do it at a time. */
export function writeExhibits(section: string, exhibits: readonly Exhibit[]): void {
  if (process.env['WEFT_WRITE_GALLERY'] === undefined) return;
  const text = readFileSync(doctorDocument, 'utf8');
  const [, before, after] = partsOf(section, text);
  writeFileSync(doctorDocument, `${before}${tableOf(exhibits)}${after}`);
}

/** What the document says of a section's faults. */
export function readExhibits(section: string): Array<Pick<Exhibit, 'name' | 'check' | 'verdict'>> {
  const [table] = partsOf(section, readFileSync(doctorDocument, 'utf8'));
  return Array.from(table.matchAll(/^\| (.+) \| (warn|fail) \| `(.+)` \| \w+ \| \d+ ms \|$/gm), row => {
    const [, name = '', verdict, check = ''] = row;
    return { name, check, verdict: verdict as Exhibit['verdict'] };
  });
}

/** @throws Error when the document has no such section */
function partsOf(section: string, text: string): readonly [table: string, before: string, after: string] {
  const [open, close] = [`<!-- gallery: ${section} -->\n`, `<!-- end: ${section} -->\n`];
  const [from, to] = [text.indexOf(open), text.indexOf(close)];
  if (from < 0 || to < from) throw new Error(`${doctorDocument} has no ${open.trim()}`);
  const start = from + open.length;
  return [text.slice(start, to), text.slice(0, start), text.slice(to)];
}

function tableOf(exhibits: readonly Exhibit[]): string {
  const rows = exhibits.map(
    ({ name, check, verdict, mendedBy, milliseconds }) =>
      `| ${name} | ${verdict} | \`${check}\` | ${mendedBy} | ${Math.max(1, Math.round(milliseconds))} ms |`,
  );
  return [
    '',
    '| fault | verdict | found by | mended by | in |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    '',
  ].join('\n');
}
