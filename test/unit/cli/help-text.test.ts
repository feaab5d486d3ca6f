/** Every command's help, as people read it; what is asked of one command is asked of all, new ones included. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { descend, operandAt, readCommandLine } from '../../../src/cli/command-line.ts';
import type { CommandDescription } from '../../../src/cli/description.ts';
import { flagHead } from '../../../src/cli/flag-description.ts';
import { renderHelp } from '../../../src/cli/help-text.ts';
import { alternativesOf } from '../../../src/cli/placeholder.ts';
import { describeWeft } from '../../../src/cli/program.ts';

const weft = await describeWeft();
const commands = withAllBelow(weft);

function withAllBelow(command: CommandDescription): CommandDescription[] {
  return [command, ...command.commands.flatMap(withAllBelow)];
}

function nameOf({ path }: CommandDescription): string {
  return ['weft', ...path].join(' ');
}

function helpOf(command: CommandDescription, width: number): string {
  return renderHelp(command, { width, heading: text => text, quiet: text => text });
}

test('all commands are walked, those below others too', () => {
  const names = commands.map(nameOf);
  for (const name of [
    'weft',
    'weft run',
    'weft config put',
    'weft lab exec',
    'weft completion',
    'weft help',
  ]) {
    assert.ok(names.includes(name), name);
  }
  assert.equal(new Set(names).size, names.length);
});

test("every command's help has usage, a summary, flags, an example and exit codes", () => {
  for (const command of commands) {
    const name = nameOf(command);
    const help = helpOf(command, 100);
    assert.ok(help.startsWith(`Usage: ${name}`), name);
    assert.match(
      command.summary,
      /^[^A-Z].{4,70}[^.\s]$/,
      `${name}: one line without capital letter and full stop`,
    );
    assert.ok(help.includes(command.summary.slice(1, 40)), name);
    assert.ok(command.examples.length > 0, `${name} has an example`);
    assert.match(help, /\nFlags:\n {2}-.*\n\nExamples:\n {2}.*\n\nExit codes: 0 \w/s, name);
    for (const { path } of command.commands) assert.ok(help.includes(`\n  ${path.at(-1)} `), name);
  }
});

test('every flag is described, in one phrase, and shown in help', () => {
  for (const command of commands) {
    const help = helpOf(command, 100);
    assert.ok(command.flags.some(({ forms }) => forms.includes('--help')));
    for (const flag of command.flags) {
      const name = `${nameOf(command)} ${flag.shown}`;
      assert.ok(help.includes(`\n  ${flagHead(flag)}`), name);
      assert.match(flag.help, /\S.{3,}[^.\s]$/, name);
    }
  }
});

test('no line of help is over 100 columns, nor over 80 where the terminal has no more', () => {
  for (const command of commands) {
    const typed = command.examples.map(([line]) => `  ${line}`);
    for (const width of [80, 100]) {
      for (const line of helpOf(command, width).split('\n')) {
        assert.ok(
          line.length <= width || (width === 80 && typed.includes(line)),
          `${nameOf(command)}: ${line}`,
        );
      }
    }
  }
});

/** The words of the call of weft in an example, which may have variables before it and pipes or redirections around. */
function wordsOf(example: string): string[] {
  const call = /(?:^|[ (|])weft (?<words>[^|>()]*)/.exec(`${example} `)?.groups?.['words'];
  assert.ok(call !== undefined, `an example calls weft: ${example}`);
  return call.trim().split(/ +/);
}

test('every example calls a command that there is, with flags, values and arguments that it takes', () => {
  for (const described of commands) {
    for (const [example] of described.examples) {
      const { command, rest } = descend(weft, wordsOf(example));
      const { given, unknown, operands, waiting } = readCommandLine(command, rest);
      assert.deepEqual(unknown, [], example);
      assert.equal(waiting, undefined, `a value is missing: ${example}`);
      for (const [{ value, repeatable }, values] of given) {
        if (!repeatable) assert.ok(values.length <= 1, `twice: ${example}`);
        for (const text of values) assert.ok(value !== undefined && fits(value, text), `${text}: ${example}`);
      }
      operands.forEach((operand, index) => {
        const placeholder = operandAt(command, index)?.placeholder;
        assert.ok(placeholder !== undefined && fits(placeholder, operand), `${operand}: ${example}`);
      });
      const needed = command.operands.filter(({ optional }) => !optional).length;
      assert.ok(operands.length >= needed, `an argument is missing: ${example}`);
    }
  }
});

/** False where a placeholder says all that there can be, and this is not among it. */
function fits(placeholder: string, text: string): boolean {
  const alternatives = alternativesOf(placeholder);
  const closed = alternatives.length > 0 && alternatives.every(({ kind }) => kind === 'word');
  return !closed || alternatives.some(alternative => alternative.text === text);
}

test('what is bold or dim in help is text that is there without colours, too', () => {
  for (const command of commands) {
    const marked = renderHelp(command, {
      width: 80,
      heading: text => `<${text}>`,
      quiet: text => `{${text}}`,
    });
    assert.match(marked, /^<Usage:> weft.*\n<Flags:>\n.*\n<Examples:>\n.*\{# .*\}.*\n<Exit codes:> 0 /s);
    assert.equal(
      marked
        .replace(/<([\w ]+:)>/g, '$1')
        .replace(/\{(# .*?)\}$/gm, '$1')
        .replace(/\{(# .*)\}/g, '$1'),
      helpOf(command, 80),
    );
  }
});
