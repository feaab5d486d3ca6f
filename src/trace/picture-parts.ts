/** The parts of which the picture of a trace is made. */
import { kindNames } from './drawing.ts';
import type { Hop, HopVerdict } from './hop.ts';

export interface Piece {
  readonly svg: string;
  readonly height: number;
}

export interface Column {
  readonly x: number;
  readonly width: number;
}

export const colours = {
  paper: '#ffffff',
  box: '#f6f8fa',
  line: '#8c959f',
  ink: '#1f2328',
  quiet: '#59636e',
  good: '#1a7f37',
  goodPaper: '#dafbe1',
  bad: '#b3001b',
  badPaper: '#ffebe9',
  doubt: '#8a5a00',
  doubtPaper: '#fff8c5',
  added: '#ddf4ff',
  packet: '#dafbe1',
} as const;

export const lineHeight = 16;
/** Of a monospaced letter, by its size. */
const letterWidth = 0.61;
const kindWidth = 108;

export interface TextStyle {
  readonly size?: number;
  readonly weight?: 'bold';
  readonly colour?: string;
}

export function text(
  x: number,
  y: number,
  words: string,
  { size = 12, weight, colour = colours.ink }: TextStyle = {},
): string {
  if (words === '') return '';
  const bold = weight === undefined ? '' : ' font-weight="bold"';
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}"${bold} xml:space="preserve">${escaped(words)}</text>`;
}

/** Between words; longer words are cut. */
export function wrapText(words: string, width: number, size = 12): string[] {
  const letters = Math.max(8, Math.floor(width / (size * letterWidth)));
  const lines: string[] = [];
  let line = '';
  for (const word of words.split(' ').flatMap(one => one.match(new RegExp(`.{1,${letters}}`, 'g')) ?? [''])) {
    if (line !== '' && line.length + 1 + word.length > letters) {
      lines.push(line);
      line = word;
    } else
      line = line === '' && lines.length === 0 && word === '' ? ' ' : line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Hops below each other, each with its mark on a line that leads through all of them. */
export function rowsOf(hops: readonly Hop[], column: Column, top: number): Piece {
  const parts: string[] = [];
  const marks: number[] = [];
  let y = top;
  for (const hop of hops) {
    const row = rowOf(hop, column, y);
    parts.push(row.svg);
    marks.push(y + 8);
    y += row.height;
  }
  const [first = 0, last = 0] = [marks[0], marks.at(-1)];
  const spine = `<line x1="${column.x + 8}" y1="${first}" x2="${column.x + 8}" y2="${last}" stroke="${colours.line}"/>`;
  const dots = hops.map((hop, index) => dot(column.x + 8, marks[index] ?? 0, hop.verdict));
  return {
    svg: [marks.length > 1 ? spine : '', ...parts, ...dots].filter(Boolean).join('\n'),
    height: y - top,
  };
}

function rowOf(
  { kind, verdict, entries, text: words, cause, frame, packet }: Hop,
  { x, width }: Column,
  y: number,
): Piece {
  const inner = width - kindWidth - 24;
  const colour = colourOf(verdict);
  const lines: Array<readonly [string, string]> = [
    ...entries.flatMap(({ line }) => wrapText(line, inner).map(one => [one, colours.ink] as const)),
    ...(frame === undefined
      ? []
      : [[`+ ${frame.addedBytes} bytes, at most ${frame.innerMtuBytes} inside`, colours.ink] as const]),
    ...(words === '' ? [] : wrapText(words, inner).map(one => [one, colours.quiet] as const)),
    ...(cause === undefined ? [] : wrapText(cause, inner).map(one => [one, colour] as const)),
  ];
  const height = Math.max(1, lines.length) * lineHeight + 6;
  const isMarked = verdict === 'broken' || verdict === 'doubtful';
  const fill = verdict === 'broken' ? colours.badPaper : colours.doubtPaper;
  const parts = [
    isMarked
      ? `<rect x="${x - 4}" y="${y - 4}" width="${width}" height="${height}" rx="4" fill="${fill}"/>`
      : '',
    text(x + 22, y + 12, kindNames[kind], {
      weight: 'bold',
      ...(isMarked ? { colour } : packet === 'outer' ? { colour: colours.quiet } : {}),
    }),
    ...lines.map(([line, ink], index) =>
      text(x + kindWidth, y + 12 + index * lineHeight, line, { colour: ink }),
    ),
  ];
  return { svg: parts.filter(part => part !== '').join('\n'), height };
}

function colourOf(verdict: HopVerdict): string {
  return verdict === 'broken' ? colours.bad : verdict === 'doubtful' ? colours.doubt : colours.ink;
}

/** Full: seen in the kernel. Open: told. Dashed: unknown. A cross: here it ends. */
function dot(x: number, y: number, verdict: HopVerdict): string {
  if (verdict === 'broken')
    return `<circle cx="${x}" cy="${y}" r="7" fill="${colours.bad}"/><path d="M ${x - 3} ${y - 3} l 6 6 m 0 -6 l -6 6" stroke="#fff" stroke-width="2"/>`;
  const ring = { passes: colours.good, told: colours.quiet, unknown: colours.quiet, doubtful: colours.doubt }[
    verdict
  ];
  const fill = verdict === 'passes' || verdict === 'doubtful' ? ring : colours.paper;
  const dash = verdict === 'unknown' ? ' stroke-dasharray="2 2"' : '';
  return `<circle cx="${x}" cy="${y}" r="5" fill="${fill}" stroke="${ring}" stroke-width="2"${dash}/>`;
}

export function escaped(words: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return words.replace(/[&<>"]/g, letter => entities[letter] ?? letter);
}
