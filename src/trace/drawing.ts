/** A trace as text: the packet's way down this host and up the other, and back. */
import type { IpAddress } from '../base/ip.ts';
import {
  culpritOf,
  type Frame,
  type Hop,
  type HopKind,
  type HopVerdict,
  type Remedy,
  type Trace,
} from './hop.ts';

/** How text is set off; each gives its text back unchanged where no colours are wanted. */
export interface DrawingPaint {
  heading(text: string): string;
  quiet(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export interface DrawingOptions {
  /** Columns; 60 to 100. */
  readonly width: number;
  readonly paint: DrawingPaint;
}

export function drawTrace(trace: Trace, { width, paint }: DrawingOptions): string {
  const lines = [...fold(titleOf(trace), width, 2).map(paint.heading), ''];
  for (const leg of legsOf(trace.hops)) {
    lines.push(...drawLeg(trace, leg, width, paint));
  }
  lines.push(
    '└'.padEnd(width, '─'),
    ...legend(trace, width).map(paint.quiet),
    '',
    ...drawVerdict(trace, width, paint),
  );
  return lines.join('\n');
}

function legend({ hops, there }: Trace, width: number): string[] {
  const has = (verdict: HopVerdict): boolean => hops.some(hop => hop.verdict === verdict);
  const words = [
    has('told') ? `${marks.told} by the registry` : '',
    has('unknown') ? `${marks.unknown} cannot be seen from here` : '',
  ].filter(word => word !== '');
  const marked = words.length === 0 ? [] : [`  ${words.join('   ')}`];
  if (there === undefined || there.answered) return marked;
  return [...marked, ...foldIndented(`the other host was not heard: ${there.why}`, width)];
}

export function titleOf({ source, destination, carriage, peer }: Trace): string {
  const ends = `${source ?? 'this host'} ──▶ ${destination}`;
  const host = peer === undefined ? '' : `, on the host ${peer}`;
  return `${ends}   ${carriageText[carriage]}${host}`.replace('   , ', '   ').trimEnd();
}

const carriageText: Readonly<Record<Trace['carriage'], string>> = {
  vxlan: 'in VXLAN',
  direct: 'as it is',
  udp: 'in UDP',
  extension: 'by the operator’s programs',
  local: 'on this host',
  outside: 'to the outside',
  none: '',
};

export interface LegOfHops {
  readonly host: Hop['host'];
  readonly direction: Hop['direction'];
  readonly hops: readonly Hop[];
}

/** Hops that follow each other on one host, the same way. */
export function legsOf(hops: readonly Hop[]): LegOfHops[] {
  const legs: Array<LegOfHops & { readonly hops: Hop[] }> = [];
  for (const hop of hops) {
    const last = legs.at(-1);
    if (last?.host === hop.host && last.direction === hop.direction) last.hops.push(hop);
    else legs.push({ host: hop.host, direction: hop.direction, hops: [hop] });
  }
  return legs;
}

function legTitle(trace: Trace, { host, direction }: LegOfHops): string {
  const where = host === 'here' ? 'this host' : thereTitle(trace);
  return direction === 'out' ? where : `the way back: ${where}`;
}

export function thereTitle({ peer = 'the other host' as IpAddress, there }: Trace): string {
  return there?.answered === true ? `${peer}, as its daemon sees it` : `${peer}, as the registry has it`;
}

function drawLeg(trace: Trace, leg: LegOfHops, width: number, paint: DrawingPaint): string[] {
  const title = `┌ ${legTitle(trace, leg)} `;
  const lines = [paint.heading(title.padEnd(width, '─'))];
  for (const [index, hop] of leg.hops.entries()) {
    const before = leg.hops[index - 1]?.packet ?? 'inner';
    const words = hop.packet === 'outer' ? 'around it, the outer packet' : 'out of it, the packet itself';
    if (hop.packet !== before) lines.push(paint.heading(`├ ${words} `.padEnd(width, '╌')));
    lines.push(...drawHop(hop, width, paint));
  }
  return lines;
}

/** `│ ● neighbour   ` */
const textColumn = 16;

const marks: Readonly<Record<HopVerdict, string>> = {
  passes: '●',
  told: '○',
  unknown: '?',
  doubtful: '!',
  broken: '✖',
};

export const kindNames: Readonly<Record<HopKind, string>> = {
  lease: 'lease',
  container: 'container',
  port: 'port',
  bridge: 'bridge',
  forwarding: 'forwarding',
  rule: 'rule',
  route: 'route',
  firewall: 'firewall',
  masquerade: 'masquerade',
  device: 'device',
  neighbour: 'neighbour',
  fdb: 'FDB entry',
  daemon: 'daemon',
  headers: 'headers',
  host: 'host',
  address: 'address',
};

function drawHop(hop: Hop, width: number, paint: DrawingPaint): string[] {
  const { verdict, kind, entries, text, cause, frame } = hop;
  const mend = verdict === 'broken' || verdict === 'doubtful' ? paint.bad : (one: string) => one;
  const body = [
    ...entries.flatMap(entry => fold(entry.line, width - textColumn, 2)),
    ...(frame === undefined ? [] : frameLines(frame, width - textColumn)),
    ...(text === ''
      ? []
      : fold(text, width - textColumn).map(line => (entries.length === 0 ? line : paint.quiet(line)))),
    ...(cause === undefined ? [] : fold(cause, width - textColumn).map(mend)),
  ];
  const mark = verdict === 'passes' ? paint.good(marks[verdict]) : mend(marks[verdict]);
  const head = `│ ${mark} ${mend(kindNames[kind].padEnd(12))}`;
  const rest = `│${' '.repeat(textColumn - 1)}`;
  return body.map((line, index) => `${index === 0 ? head : rest}${line}`.trimEnd());
}

function frameLines({ layers, addedBytes, innerMtuBytes, underlayMtuBytes }: Frame, width: number): string[] {
  const sum =
    addedBytes === 0
      ? `none added: at most ${innerMtuBytes} bytes`
      : `+ ${addedBytes} bytes: packets of at most ${innerMtuBytes}, underlay ${underlayMtuBytes}`;
  return [
    sum,
    ...layers.flatMap(({ name, bytes, text, part }) => {
      const sign = part === 'added' ? '+' : ' ';
      const head = `${sign} ${name.padEnd(8)} ${String(bytes).padStart(2)}  `;
      return fold(text, width - head.length).map(
        (line, index) => (index === 0 ? head : ' '.repeat(head.length)) + line,
      );
    }),
  ];
}

function drawVerdict(trace: Trace, width: number, paint: DrawingPaint): string[] {
  const remedy = culpritOf(trace.hops)?.remedy;
  const mood = trace.verdict === 'passes' ? paint.good : paint.bad;
  const lines = fold(verdictText(trace), width, 2).map(mood);
  if (remedy === undefined) return lines;
  const { commands, text } = remedy;
  if (text !== '' || commands.length > 0) lines.push(...fold(remedyHead(remedy), width, 4));
  return [...lines, ...commands.flatMap(one => commandLines(one, width))];
}

/** What became of the packet, in one sentence. */
export function verdictText({ hops, verdict, destination, peer, there }: Trace): string {
  const culprit = culpritOf(hops);
  if (culprit === undefined) {
    const unseen = hops.some(hop => hop.verdict === 'told' || hop.verdict === 'unknown');
    const seers = there?.answered === true ? 'both hosts see' : 'can be seen from here';
    return `nothing is wrong on the way to ${destination}${unseen ? `, as far as ${seers}` : ''}`;
  }
  const where = culprit.host === 'there' ? ` of ${peer}` : '';
  return `${verdict} at the ${kindNames[culprit.kind]}${where}: ${culprit.cause ?? ''}`;
}

export function remedyHead({ text, on }: Remedy): string {
  const where = on === undefined ? '' : ` on ${on}`;
  return `what to do${where}:${text === '' ? '' : ` ${text}`}`;
}

/** As a shell takes it: a line that is too long goes on after a backslash. */
function commandLines(text: string, width: number): string[] {
  if (text.length + 2 <= width) return [`  ${text}`];
  return fold(text, width - 6, 2).map(
    (line, index, all) => `  ${line}${index === all.length - 1 ? '' : ' \\'}`,
  );
}

/** As {@link fold}, two columns in and further lines two more. */
export function foldIndented(text: string, width: number): string[] {
  return fold(text, width - 2, 2).map(line => `  ${line}`);
}

/** Between words; words longer than the line stay whole. */
function fold(text: string, width: number, hanging = 0): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const indent = lines.length === 0 ? '' : ' '.repeat(hanging);
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(hanging) + word;
    } else line = line === '' ? indent + word : `${line} ${word}`;
  }
  return [...lines, line];
}
