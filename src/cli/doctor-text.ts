/** What doctor found, for people: first what is broken, with what mends it; then what is right, a line each. */
import type { Finding, Remedy, Verdict } from '../doctor/finding.ts';
import type { Examined } from '../doctor/run-checks.ts';
import type { Paint } from '../lab/demo-text.ts';
import { commandText } from './command-text.ts';
import { printable, wrap } from './wrap.ts';

/** One network, examined. */
export interface Diagnosis {
  /** Name of the network among several. */
  readonly network: string | undefined;
  readonly examined: readonly Examined[];
  readonly milliseconds: number;
}

export interface DoctorForm {
  readonly columns: number;
  /** Breaks commands that are longer, as a shell allows. */
  readonly breakCommands: boolean;
  /** Shows evidence of what is right too, and how long each check took. */
  readonly verbose: boolean;
  /** Whether what could not be looked at may be for want of root. */
  readonly isRoot: boolean;
  readonly paint: Paint;
}

export function renderDoctor(diagnoses: readonly Diagnosis[], form: DoctorForm): string {
  const sections = diagnoses.map(diagnosis => renderDiagnosis(diagnosis, form));
  return [...sections, lastLines(diagnoses, form)].join('\n\n');
}

export function findingsOf({ examined }: Pick<Diagnosis, 'examined'>): Finding[] {
  return examined.flatMap(({ findings }) => findings);
}

interface Told extends Finding {
  readonly title: string;
  readonly milliseconds: number;
}

function renderDiagnosis({ network, examined }: Diagnosis, form: DoctorForm): string {
  const told = examined.flatMap(({ check: { title }, findings, milliseconds }) =>
    findings.map((finding): Told => ({ ...finding, title, milliseconds })),
  );
  const of = (verdict: Verdict): Told[] => told.filter(one => one.verdict === verdict);
  const troubles = [...of('fail'), ...of('warn')].map(one => troubleText(one, form));
  const skipped = form.verbose ? of('skip') : together(of('skip'));
  const quiet = [...of('ok'), ...skipped].map(one => quietText(one, form));
  return [
    ...(network === undefined ? [] : [form.paint.heading(printable(`network ${network}`))]),
    ...troubles,
    ...(quiet.length === 0 ? [] : [quiet.join('\n')]),
  ].join('\n\n');
}

/** Where one thing is in the way of many checks, it is said once. */
function together(told: readonly Told[]): Told[] {
  return [...Map.groupBy(told, ({ text }) => text).values()].flatMap(([first, ...rest]) =>
    first === undefined ? [] : { ...first, title: [first, ...rest].map(({ title }) => title).join('; ') },
  );
}

const marks = { fail: 'FAIL', warn: 'WARN', ok: 'ok', skip: 'skip' } as const satisfies Record<
  Verdict,
  string
>;
const indent = 6;

function headOf({ verdict, title, text }: Told, { columns }: DoctorForm, more = ''): string {
  const line = `${marks[verdict].padEnd(indent)}${title}: ${text}${more}`;
  return wrap(oneLine(line), { width: columns, hanging: indent });
}

function troubleText(one: Told, form: DoctorForm): string {
  const { paint, verbose } = form;
  const { evidence, remedy, milliseconds } = one;
  const [first = '', ...more] = headOf(one, form).split('\n');
  return [
    ...[paint.bad(first), ...more],
    ...evidenceLines(evidence, form),
    ...(remedy === undefined ? [] : remedyLines(remedy, form)),
    ...(verbose ? [paint.quiet(`${' '.repeat(indent)}looked for ${msText(milliseconds)}`)] : []),
  ].join('\n');
}

function quietText(one: Told, form: DoctorForm): string {
  const { paint, verbose } = form;
  const text = headOf(one, form, verbose ? ` (${msText(one.milliseconds)})` : '');
  const shown =
    one.verdict === 'skip' ? paint.quiet(text) : paint.good(text.slice(0, indent)) + text.slice(indent);
  return [shown, ...(verbose ? evidenceLines(one.evidence, form) : [])].join('\n');
}

function evidenceLines(evidence: readonly string[], { columns, paint }: DoctorForm): string[] {
  return evidence.map(text =>
    paint.quiet(wrap(oneLine(text), { width: columns, indent: indent + 2, hanging: indent + 6 })),
  );
}

function remedyLines({ commands, text, on }: Remedy, form: DoctorForm): string[] {
  const { columns, paint } = form;
  const where = on === undefined ? '' : ` on ${on}`;
  const advice = `what to do${commands.length === 0 ? where : ''}: ${text}`;
  const prose = text === '' ? [] : [wrap(oneLine(advice), { width: columns, indent, hanging: indent + 2 })];
  if (commands.length === 0) return prose;
  return [
    ...prose,
    `${' '.repeat(indent)}${paint.good(`mend it${printable(where)}:`)}`,
    ...commands.map(command => shellText(printable(command), form)),
  ];
}

/** What other hosts, or the registry, tell could else pass for lines of doctor's own. */
function oneLine(text: string): string {
  return printable(text).replace(/\s*\n\s*/g, ' ');
}

/** What has lines of its own, such as a here-document, is copied as it is; all else is set off. */
function shellText(command: string, form: DoctorForm): string {
  if (command.includes('\n')) return command;
  const columns = form.columns - indent - 2;
  const lines = commandText(command, { ...form, columns }).split('\n');
  return lines.map(line => `${' '.repeat(indent + 2)}${line}`).join('\n');
}

function lastLines(diagnoses: readonly Diagnosis[], { columns, isRoot, paint }: DoctorForm): string {
  const found = diagnoses.flatMap(findingsOf);
  const count = (verdict: Verdict): number => found.filter(one => one.verdict === verdict).length;
  const [fails, warnings] = [count('fail'), count('warn')];
  const checks = diagnoses.reduce((sum, { examined }) => sum + examined.length, 0);
  const milliseconds = diagnoses.reduce((sum, one) => sum + one.milliseconds, 0);
  const worst = [
    ...(fails === 0 ? [] : [plural(fails, 'failure')]),
    ...(warnings === 0 ? [] : [plural(warnings, 'warning')]),
  ].join(', ');
  const took = `; ${plural(checks, 'check')} in ${msText(milliseconds)}`;
  const unseen = found.filter(({ verdict, text }) => verdict === 'skip' && text.startsWith(notLooked)).length;
  const hint = `${plural(unseen, 'finding')} could not be had; root sees more`;
  return [
    (worst === '' ? paint.good('nothing is wrong') : paint.bad(worst)) + took,
    ...(isRoot || unseen === 0 ? [] : [paint.quiet(wrap(hint, { width: columns }))]),
  ].join('\n');
}

/** How findings of what could not be read begin, see run-checks.ts. */
const notLooked = 'could not be looked at';

function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function msText(milliseconds: number): string {
  return `${Math.round(milliseconds)} ms`;
}
