import type { CommandDescription } from './description.ts';
import { flagText } from './flag-description.ts';
import { sentence } from './help-text.ts';

/** A manual page: `weft-config-put.1` and its text in man(7) macros. */
export interface ManPage {
  readonly file: string;
  readonly text: string;
}

/** The manual pages, in man(7) macros, of a command and of all below it. */
export function manPages(command: CommandDescription, version: string): ManPage[] {
  return pagesBelow(command, { version, parent: undefined });
}

interface Around {
  readonly version: string;
  readonly parent: CommandDescription | undefined;
}

function pagesBelow(command: CommandDescription, around: Around): ManPage[] {
  const below = command.commands.flatMap(child => pagesBelow(child, { ...around, parent: command }));
  return [{ file: `${pageName(command)}.1`, text: renderPage(command, around) }, ...below];
}

function renderPage(command: CommandDescription, { version, parent }: Around): string {
  const { summary, about, commands, flags, examples, exitCodes, environment } = command;
  const name = pageName(command);
  const related = [...(parent === undefined ? [] : [parent]), ...commands].map(other =>
    bold(pageName(other)),
  );
  const lines = [
    `.\\" Made of the command's own description by scripts/build-man-pages.ts: not to be edited.`,
    `.TH ${name.toUpperCase()} 1 "" "weft ${version}" "Weft"`,
    section('NAME'),
    `${plain(name)} \\- ${plain(summary)}`,
    section('SYNOPSIS'),
    synopsis(command),
    section('DESCRIPTION'),
    ...[sentence(summary), ...about].flatMap((paragraph, index) => [
      ...(index === 0 ? [] : ['.PP']),
      plain(paragraph),
    ]),
    ...list(
      'COMMANDS',
      commands.map(below => [
        bold(below.path.at(-1) ?? ''),
        `${sentence(below.summary)} See ${pageName(below)}(1).`,
      ]),
    ),
    ...list(
      'OPTIONS',
      flags.map(flag => [flagTerm(flag), flagText(flag)]),
    ),
    ...list(
      'ENVIRONMENT',
      environment.map(([variable, meaning]) => [bold(variable), meaning]),
    ),
    ...list(
      'EXIT STATUS',
      exitCodes.map(([code, meaning]) => [bold(code), meaning]),
    ),
    section('EXAMPLES'),
    ...examples.flatMap(([line, purpose], index) => [
      ...(index === 0 ? [] : ['.PP']),
      plain(sentence(purpose)),
      ...['.PP', '.nf', '.RS 4', plain(line), '.RE', '.fi'],
    ]),
    ...(related.length === 0 ? [] : [section('SEE ALSO'), related.map(page => `${page}(1)`).join(',\n')]),
  ];
  return `${lines.join('\n')}\n`;
}

function pageName({ path }: CommandDescription): string {
  return ['weft', ...path].join('-');
}

function section(title: string): string {
  return `.SH ${title}`;
}

function list(title: string, entries: ReadonlyArray<readonly [term: string, text: string]>): string[] {
  if (entries.length === 0) return [];
  return [section(title), ...entries.flatMap(([term, text]) => ['.TP', term, plain(text)])];
}

/** Words in bold as they are typed, what stands for others in italics. */
function synopsis({ usage, path }: CommandDescription): string {
  const words = usage.split(' ');
  const rest = words
    .slice(path.length + 1)
    .map(word =>
      word.replace(/[A-Za-z-]+/g, part =>
        /^[a-z]/.test(part) && part !== 'flags' ? bold(part) : italic(part),
      ),
    );
  return [bold(words.slice(0, path.length + 1).join(' ')), ...rest].join(' ');
}

function flagTerm({ shown, value, isSwitch }: CommandDescription['flags'][number]): string {
  return value === undefined || isSwitch ? bold(shown) : `${bold(shown)} ${italic(value)}`;
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`;
}

/** A line of text; a dot or a quote at its start would make it a macro. */
function plain(text: string): string {
  return escaped(text).replace(/^(?=[.'])/gm, '\\&');
}

/** A bare hyphen would be set as a dash that nobody can copy into a shell, and quotes and accents likewise. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti');
}
