/**
 * A trace as a picture for a report, in SVG that needs nothing but itself: down this host, over the underlay to the other,
 * and back.
 *
 *     ┌ this host ─ way out ───┬─ way back ─┐
 *     │ ...                    │ ...        │
 *     └───────────┬────────────┴─────▲──────┘
 *                 ▼  headers         │
 *     ┌ the host there ────────┬────────────┐
 */
import { legsOf, remedyHead, thereTitle, titleOf, verdictText } from './drawing.ts';
import { culpritOf, type Frame, type Hop, type Trace } from './hop.ts';
import { colours, escaped, lineHeight, type Piece, rowsOf, text, wrapText } from './picture-parts.ts';

const width = 1120;
const margin = 24;
const [outColumns, backColumns] = [
  { x: 40, width: 640 },
  { x: 704, width: 376 },
] as const;

export function pictureOf(trace: Trace): string {
  const pieces: string[] = [];
  let y = margin + 18;
  pieces.push(text(margin, y, titleOf(trace), { size: 17, weight: 'bold' }));
  y += 22;
  const verdict = verdictPiece(trace, y);
  pieces.push(verdict.svg);
  y += verdict.height + 14;
  const legs = legsOf(trace.hops);
  const hopsOf = (host: Hop['host'], direction: Hop['direction']): readonly Hop[] =>
    legs.filter(leg => leg.host === host && leg.direction === direction).flatMap(leg => leg.hops);
  const here = hostBox('this host', hopsOf('here', 'out'), hopsOf('here', 'back'), y);
  pieces.push(here.svg);
  y += here.height;
  const there = [hopsOf('there', 'out'), hopsOf('there', 'back')] as const;
  const frame = trace.hops.find(hop => hop.frame !== undefined)?.frame;
  const wire = wirePiece(frame, y, there[0].length > 0, there[1].length > 0);
  pieces.push(wire.svg);
  y += wire.height;
  if (there[0].length > 0) {
    const box = hostBox(thereTitle(trace), ...there, y, trace.there?.answered !== true);
    pieces.push(box.svg);
    y += box.height;
  }
  const height = y + margin;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="12">`,
    `<title>${escaped(titleOf(trace))}</title>`,
    `<rect width="${width}" height="${height}" fill="${colours.paper}"/>`,
    ...pieces,
    '</svg>',
    '',
  ].join('\n');
}

function verdictPiece(trace: Trace, y: number): Piece {
  const { verdict } = trace;
  const inner = width - 2 * margin - 24;
  const remedy = culpritOf(trace.hops)?.remedy;
  const advice = remedy === undefined ? [] : [remedyHead(remedy), ...remedy.commands.map(one => `  ${one}`)];
  const sentence = wrapText(verdictText(trace), inner);
  const lines = [...sentence, ...advice.flatMap(line => wrapText(line, inner))];
  const height = lines.length * lineHeight + 14;
  const colour = verdict === 'passes' ? colours.good : verdict === 'broken' ? colours.bad : colours.doubt;
  const fill =
    verdict === 'passes' ? colours.goodPaper : verdict === 'broken' ? colours.badPaper : colours.doubtPaper;
  const box = `<rect x="${margin}" y="${y}" width="${width - 2 * margin}" height="${height}" rx="6" fill="${fill}" stroke="${colour}"/>`;
  const rows = lines.map((line, index) =>
    text(
      margin + 12,
      y + 20 + index * lineHeight,
      line,
      index < sentence.length ? { colour, weight: 'bold' } : {},
    ),
  );
  return { svg: [box, ...rows].join('\n'), height };
}

function hostBox(title: string, out: readonly Hop[], back: readonly Hop[], y: number, told = false): Piece {
  const top = y + 34;
  const left = rowsOf(out, outColumns, top + 18);
  const right = rowsOf(back, backColumns, top + 18);
  const height = 34 + 18 + Math.max(left.height, right.height) + 12;
  const dash = told ? ' stroke-dasharray="6 4"' : '';
  const parts = [
    `<rect x="${margin}" y="${y}" width="${width - 2 * margin}" height="${height}" rx="8" fill="${colours.box}" stroke="${colours.line}"${dash}/>`,
    text(margin + 16, y + 23, title, { size: 14, weight: 'bold' }),
    text(outColumns.x, top + 6, out.length === 0 ? '' : 'the way out', { colour: colours.quiet }),
    text(backColumns.x, top + 6, back.length === 0 ? '' : 'the way back', { colour: colours.quiet }),
    back.length === 0
      ? ''
      : `<line x1="692" y1="${y + 38}" x2="692" y2="${y + height - 10}" stroke="${colours.line}"/>`,
    left.svg,
    right.svg,
  ];
  return { svg: parts.filter(part => part !== '').join('\n'), height };
}

/** Between the hosts: what is on the underlay, as blocks in their order. */
function wirePiece(frame: Frame | undefined, y: number, down: boolean, up: boolean): Piece {
  if (frame === undefined || !down) return { svg: '', height: down ? 40 : 0 };
  const { layers, addedBytes, innerMtuBytes, underlayMtuBytes } = frame;
  const [x, inner] = [margin + 40, width - 2 * margin - 80];
  const block = inner / layers.length;
  const blocks = layers.map(({ name, bytes, text: words, part }, index) => {
    const fill = part === 'added' ? colours.added : part === 'link' ? colours.paper : colours.packet;
    const left = x + index * block;
    const halves = words.split(' ──▶ ');
    const lines = halves.length === 2 ? [halves[0] ?? '', `▶ ${halves[1]}`] : [words];
    const small = lines.flatMap(line => wrapText(line, block - 12, 10));
    return [
      `<rect x="${left}" y="${y + 34}" width="${block}" height="${66}" fill="${fill}" stroke="${colours.line}"/>`,
      text(left + 6, y + 50, `${name} ${bytes}`, { weight: 'bold', size: 11 }),
      ...small.slice(0, 4).map((line, row) => text(left + 6, y + 64 + row * 12, line, { size: 10 })),
    ].join('\n');
  });
  const sum =
    addedBytes === 0
      ? `nothing is put around it: at most ${innerMtuBytes} bytes`
      : `${addedBytes} bytes are put around it: at most ${innerMtuBytes} inside, ${underlayMtuBytes} on the underlay`;
  const parts = [
    arrow(outColumns.x + 8, y + 4, y + 26),
    text(x + 8, y + 20, `on the underlay: ${sum}`, { colour: colours.quiet }),
    ...blocks,
    arrow(outColumns.x + 8, y + 106, y + 128),
    up ? arrow(width - margin - 20, y + 128, y + 4) : '',
  ];
  return { svg: parts.filter(part => part !== '').join('\n'), height: 134 };
}

function arrow(x: number, from: number, to: number): string {
  const tip = to > from ? -7 : 7;
  return `<path d="M ${x} ${from} V ${to} M ${x - 5} ${to + tip} L ${x} ${to} L ${x + 5} ${to + tip}" fill="none" stroke="${colours.ink}" stroke-width="2"/>`;
}
