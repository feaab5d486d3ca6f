import { type ColourStream, paintFor } from './colour.ts';
import type { CommandDescription } from './description.ts';
import { flagHead, flagText } from './flag-description.ts';
import { columnsOf, wrap } from './wrap.ts';

export interface HelpStream extends ColourStream {
  readonly columns?: number | undefined;
}

export interface HelpStyle {
  /** No line is longer, unless a single word or an example is. */
  readonly width: number;
  heading(text: string): string;
  quiet(text: string): string;
}

/** The help of a command as wide and as coloured as the stream likes it. */
export function renderHelpFor(description: CommandDescription, stream: HelpStream): string {
  return renderHelp(description, { width: columnsOf(stream), ...paintFor(stream) });
}

/** What `--help` prints, without the last line break. */
export function renderHelp(description: CommandDescription, style: HelpStyle): string {
  const { usage, summary, about, commands, flags, examples, exitCodes } = description;
  const { width } = style;
  const heading = style.heading;
  const called = commands.map(({ path, summary }) => [path.at(-1) ?? '', summary] as const);
  const parts = [
    `${heading('Usage:')} ${usage}`,
    ...[sentence(summary), ...about].map(paragraph => wrap(paragraph, { width })),
    ...(called.length === 0 ? [] : [`${heading('Commands:')}\n${table(called, width)}`]),
    `${heading('Flags:')}\n${table(
      flags.map(flag => [flagHead(flag), flagText(flag)]),
      width,
    )}`,
    `${heading('Examples:')}\n${renderExamples(examples, style)}`,
    wrap(`Exit codes: ${exitCodes.map(code => code.join(' ')).join('; ')}`, {
      width,
      hanging: 2,
    }).replace('Exit codes:', heading),
  ];
  return parts.join('\n\n');
}

/** A summary as a sentence: with a capital letter and a full stop. */
export function sentence(summary: string): string {
  const text = summary.charAt(0).toUpperCase() + summary.slice(1);
  return /[.?]$/.test(text) ? text : `${text}.`;
}

/** Longer heads get a line of their own. */
const widestHead = 26;

function table(rows: ReadonlyArray<readonly [head: string, text: string]>, width: number): string {
  const heads = rows.map(([head]) => head.length);
  const column = Math.max(0, ...heads.filter(length => length <= widestHead));
  const indent = column + 4;
  return rows
    .map(([head, text]) => {
      const wrapped = wrapWhole(text, { width, indent, hanging: indent });
      if (head.length > column) return `  ${head}\n${wrapped}`;
      return `  ${head.padEnd(column)}  ${wrapped.slice(indent)}`;
    })
    .join('\n');
}

interface TableWrap {
  readonly width: number;
  readonly indent: number;
  readonly hanging: number;
}

/** Wraps, but keeps a default in one piece where that fits a line. */
function wrapWhole(text: string, options: TableWrap): string {
  const [shown = ''] = /\(default \S+\)$/.exec(text) ?? [];
  if (shown === '' || shown.length > options.width - options.hanging) return wrap(text, options);
  const whole = text.slice(0, -shown.length) + shown.replace(' ', noBreak);
  return wrap(whole, options).replace(noBreak, ' ');
}

const noBreak = '\u00a0';

/** Purposes in a column when they fit beside the commands, else above them. */
function renderExamples(examples: CommandDescription['examples'], { width, quiet }: HelpStyle): string {
  const widest = Math.max(...examples.map(([command]) => command.length));
  const longest = Math.max(...examples.map(([, purpose]) => purpose.length));
  const beside = widest + longest + 6 <= width;
  return examples
    .map(([command, purpose]) => {
      const note = quiet(`# ${purpose}`);
      return beside ? `  ${command.padEnd(widest)}  ${note}` : `  ${note}\n  ${command}`;
    })
    .join('\n');
}
