/** docs/compatibility.md claims only what a test proves, and no page leads nowhere. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const root = path.join(import.meta.dirname, '../../..');
const document = 'docs/compatibility.md';

test('every test that the document names is there, by file and title', () => {
  const files = new Map<string, TestFile>();
  for (const { label, title } of citations(allRows())) {
    const target = references(read(document)).get(label);
    assert.ok(target !== undefined, `[${label}] is defined below the tables`);
    const file = path.join('docs', target);
    assert.ok(existsSync(path.join(root, file)), `${file} is there`);
    files.set(file, files.get(file) ?? testFile(read(file)));
    assert.ok(hasTitle(files.get(file), title), `${file} has a test “${title}”`);
  }
});

test('a title that no test has is noticed, in every form that titles have', () => {
  const file = testFile(
    [
      "test('a plain title', () => {}); // test('in a comment')",
      `for (const [what] of [["one"], ["two words"]]) test(\`of \${what}, the end\`, () => {});`,
      `test(\`\${one ? 'inside' : "or else"} a title\`, () => {});`,
      "const cases = { 'by a key': 1, bare: 2 };",
    ].join('\n'),
  );
  const held = [
    'a plain title',
    'of one, the end',
    'of two words, the end',
    'of bare, the end',
    'inside a title',
  ];
  const absent = [
    'a plain',
    'A plain title',
    'of three, the end',
    'of , the end',
    'by a key',
    'in a comment',
  ];
  for (const title of held) assert.ok(hasTitle(file, title), title);
  for (const title of absent) assert.ok(!hasTitle(file, title), title);
  const named = testFile("for (const [title] of [['from a table']]) test(title, () => {});");
  assert.ok(hasTitle(named, 'from a table') && !hasTitle(named, 'from elsewhere'));
});

test('every row says same, different or not yet, and is proven by a test or open', () => {
  for (const row of allRows()) {
    const { Weft = '', proof = '' } = row.cells;
    const where = `${row.section}: ${row.cells['flannel']}`;
    assert.match(Weft, /^(same|different|not yet)\b/, where);
    assert.equal(isOpen(row) || citations([row]).length > 0, true, `${where}: ${proof}`);
    if (Weft.startsWith('not yet')) assert.ok(isOpen(row), `${where} is not there yet, so it is open`);
  }
});

test('the summary counts the rows of every table, and the open ones', () => {
  const counted = Map.groupBy(allRows(), row => row.section);
  const expected = [...counted].map(([section, rows]) => [section, rows.length, rows.filter(isOpen).length]);
  const summary = tableRows(read(document)).filter(row => 'theme' in row.cells);
  const told = summary.map(({ cells: { theme = '', rows, open } }) => {
    return [/^\[(.*)\]\(#.*\)$/.exec(theme)?.[1], Number(rows), Number(open)];
  });
  assert.deepEqual(told, expected);
  const open = allRows().filter(isOpen);
  const missing = open.filter(row => row.cells['Weft']?.startsWith('not yet')).length;
  const [total, unproven] = [allRows().length, open.length - missing];
  const sentence = `${open.length} of ${total} rows: ${missing} are not there yet, ${unproven} are there without a test.`;
  assert.ok(read(document).includes(`\n${sentence}\n`), sentence);
});

for (const file of ['README.md', ...globSync('docs/**/*.md', { cwd: root }).sort()]) {
  test(`every link in ${file} leads somewhere`, () => {
    const text = withoutCode(read(file));
    const inline = Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), match => match[1] ?? '');
    const lost = [...inline, ...references(text).values()].filter(target => !leadsSomewhere(file, target));
    assert.deepEqual(lost, []);
  });
}

interface Row {
  /** The heading above the table. */
  readonly section: string;
  /** By the head of their column. */
  readonly cells: Readonly<Record<string, string>>;
}

function allRows(): Row[] {
  return tableRows(read(document)).filter(row => 'proof' in row.cells);
}

function tableRows(text: string): Row[] {
  const rows: Row[] = [];
  let section = '';
  let head: string[] | undefined;
  for (const line of text.split('\n')) {
    section = /^#+ (.*)$/.exec(line)?.[1] ?? section;
    const cells = /^\| ?(.*?) ?\|$/.exec(line)?.[1]?.split(/ ?\| ?/);
    if (cells === undefined) head = undefined;
    else if (head === undefined) head = cells;
    else if (!/^-+$/.test(cells[0] ?? '')) {
      rows.push({
        section,
        cells: Object.fromEntries(head.map((name, index) => [name, cells[index] ?? ''])),
      });
    }
  }
  return rows;
}

function isOpen({ cells }: Row): boolean {
  return /^\*\*open\*\*/.test(cells['proof'] ?? '');
}

/** `[e2e/lab] “one title”, “another”` names two tests of one file. */
function citations(rows: readonly Row[]): Array<{ readonly label: string; readonly title: string }> {
  return rows.flatMap(({ cells }) => {
    let label = '';
    return Array.from((cells['proof'] ?? '').matchAll(/\[([^\]]+)\]|“([^”]+)”/g)).flatMap(match => {
      label = match[1] ?? label;
      return match[2] === undefined ? [] : [{ label, title: match[2].replace(/\\(.)/g, '$1') }];
    });
  });
}

/** `[label]: target` lines. */
function references(text: string): Map<string, string> {
  return new Map(
    Array.from(text.matchAll(/^\[([^\]]+)\]: (\S+)$/gm), match => [match[1] ?? '', match[2] ?? '']),
  );
}

interface TestFile {
  readonly titles: ReadonlySet<string>;
  /** Titles with something to fill in. */
  readonly patterns: readonly RegExp[];
  /** True when some title is a variable alone. */
  readonly anyLiteral: boolean;
  readonly literals: ReadonlySet<string>;
  /** Numbers, and keys without quotes. */
  readonly words: ReadonlySet<string>;
}

/** Comments, then strings of the three kinds. */
const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;

function testFile(source: string): TestFile {
  const code = source.replace(token, text => (text.startsWith('/') ? ' ' : text));
  const calls =
    /\b(?:test|contract)\(\s*(?:('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|`((?:\\.|[^`\\])*)`|(\w+),)/g;
  const found = [...code.matchAll(calls)];
  return {
    titles: new Set(found.flatMap(([, text]) => (text === undefined ? [] : [contentOf(text)]))),
    patterns: found.flatMap(([, , text]) => (text === undefined ? [] : [patternOf(text)])),
    anyLiteral: found.some(([, , , variable]) => variable !== undefined),
    literals: new Set((code.match(token) ?? []).flatMap(text => [text, ...filledIn(text)]).map(contentOf)),
    words: new Set(code.match(/\b\w+\b/g)),
  };
}

function contentOf(quoted: string): string {
  return quoted.slice(1, -1).replace(/\\(.)/g, '$1');
}

/** The strings within what a template has filled in. */
function filledIn(quoted: string): string[] {
  const parts = quoted.startsWith('`') ? (quoted.match(placeholder) ?? []) : [];
  return parts.flatMap(part => part.match(token) ?? []);
}

const placeholder = /\$\{[^}]*\}/g;

function patternOf(template: string): RegExp {
  const fixed = template.split(placeholder).map(text => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${fixed.join('(.+)')}$`);
}

/** What fills a title must stand in the file, or a made-up case would pass. */
function hasTitle(file: TestFile | undefined, title: string): boolean {
  if (file === undefined) return false;
  const isThere = (text: string): boolean => file.literals.has(text) || file.words.has(text);
  return (
    file.titles.has(title) ||
    (file.anyLiteral && file.literals.has(title)) ||
    file.patterns.some(pattern => pattern.exec(title)?.slice(1).every(isThere) ?? false)
  );
}

function leadsSomewhere(from: string, target: string): boolean {
  if (/^(https?|mailto):/.test(target)) return true;
  const [file = '', anchor] = target.split('#');
  const to = file === '' ? from : path.join(path.dirname(from), file);
  if (!existsSync(path.join(root, to))) return false;
  return anchor === undefined || anchorsOf(read(to)).includes(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): string[] {
  return Array.from(withoutCode(text).matchAll(/^#+ (.*)$/gm), ([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}
